package import StrataFUSE
package import StrataSystem

extension MergedTree {
  /// One end of a rename.
  struct RenameEnd {
    var parent: Slot
    var name: RawPath
    var directory: SharedDescriptor
    var state: PlaceState
    /// A name removed here must be followed by a whiteout.
    var needsWhiteout: Bool { state.hasLower && !state.hasMarker }
  }

  /// Answers RENAME with the flags of renameat2(2).
  package func rename(
    _ name: RawPath, in parentID: NodeID, to newName: RawPath, in newParentID: NodeID,
    _ flags: RenameFlags
  ) throws(Errno) {
    _ = try requireUpper()
    let exchanges = flags.contains(.exchange)
    guard flags.isSubset(of: [.noReplace, .exchange]), flags != [.noReplace, .exchange] else {
      throw .invalidArgument
    }
    let parent = try table.slot(of: parentID)
    let newParent = try table.slot(of: newParentID)
    if newName.count > 255 { throw .nameTooLong }
    guard let (source, _) = try resolve(name, in: parent) else { throw .noSuchFileOrDirectory }
    if table[newParent].flags.contains(.orphan) { throw .noSuchFileOrDirectory }
    let target = try resolve(newName, in: newParent)
    if flags.contains(.noReplace), target != nil { throw .fileExists }
    if exchanges, target == nil { throw .noSuchFileOrDirectory }
    if let (slot, _) = target, slot == source { return }
    try requireUnprotected(parent)
    try requireMutable(newParent)
    try requireUnprotected(source)
    if let (slot, _) = target {
      try requireUnprotected(newParent)
      try requireUnprotected(slot)
    }
    try requireMovable(source)
    if exchanges, let (slot, _) = target { try requireMovable(slot) }
    if !exchanges, let (slot, _) = target { try checkReplacement(of: slot, by: source) }
    try copyUp(source)
    if exchanges, let (slot, _) = target { try copyUp(slot) }
    try copyUp(parent)
    try copyUp(newParent)
    let from = try end(name, in: parent)
    let to = try end(newName, in: newParent)
    if exchanges, let (slot, _) = target {
      try exchange(source, from, slot, to)
    } else {
      try move(source, from, to, target)
    }
  }

  private func end(_ name: RawPath, in parent: Slot) throws(Errno) -> RenameEnd {
    RenameEnd(
      parent: parent, name: name, directory: try upperDescriptor(of: parent),
      state: try placeState(name, in: parent))
  }

  private func checkReplacement(of target: Slot, by source: Slot) throws(Errno) {
    if isDirectory(source) {
      guard isDirectory(target) else { throw .notADirectory }
      guard try isEmpty(target) else { throw .directoryNotEmpty }
    } else if isDirectory(target) {
      throw .isADirectory
    }
  }

  /// EXDEV for a directory with a lower part, unless redirects are written.
  private func requireMovable(_ slot: Slot) throws(Errno) {
    guard isDirectory(slot), hasLowerPart(slot), options.redirect != .on || marks == .none else {
      return
    }
    throw .crossDeviceLink
  }

  private func hasLowerPart(_ slot: Slot) -> Bool {
    guard let side = sides.directory(table[slot].side) else { return false }
    return side.layers.count > 1 || !isUpper(slot)
  }

  // MARK: - Moving

  private func move(
    _ source: Slot, _ from: RenameEnd, _ to: RenameEnd, _ target: (Slot, FileStatus)?
  ) throws(Errno) {
    let work = try requireUpper()
    try prepare(source, from, to)
    var to = to
    if let (slot, _) = target {
      if isDirectory(slot) {
        if isUpper(slot) { try emptyTarget(slot, to, work) }
      } else if hasOneName(slot) {
        pin(slot)
      }
    }
    let targetIsInUpper = target.map { isUpper($0.0) } ?? false
    if isDirectory(source), !targetIsInUpper, !to.state.hasWhiteout, target == nil,
      (try? to.directory.view.status(of: to.name)) != nil
    {
      // A whiteout in a directory that hides nothing.
      to.state.hasWhiteout = true
    }
    try carryOut(source, from, to, work)
    if to.state.hasMarker, let marker = MarkerFile.name(hiding: to.name) {
      try? to.directory.view.unlink(marker)
    }
    noteRemoved(from.name, in: from.parent, from.state, whiteout: from.needsWhiteout, work)
    if let (slot, status) = target { orphan(slot, to.name, in: to.parent, status) }
    rekey(source, from, to)
    noteMade(
      to.name, in: to.parent, source, opaque: isDirectory(source) && to.state.needsOpaque)
  }

  /// What has to be true on disk before the move: marks that are harmless if it never comes.
  private func prepare(_ slot: Slot, _ from: RenameEnd, _ to: RenameEnd) throws(Errno) {
    if isDirectory(slot) {
      if hasLowerPart(slot) {
        try setRedirect(slot, sameParent: from.parent == to.parent)
        try setImpure(to.parent)
      } else if to.state.needsOpaque || to.state.hasLower {
        try setOpaque(try upperDescriptor(of: slot).view)
      }
      return
    }
    try keepData(of: slot)
    if table[slot].type == .regular, MarkerFile.target(of: to.name) != nil { try setLiteral(slot) }
    if table[slot].flags.contains(.hasOrigin) { try setImpure(to.parent) }
  }

  /// The renaming itself, with what must be left at the old name.
  private func carryOut(
    _ source: Slot, _ from: RenameEnd, _ to: RenameEnd, _ work: WorkDirectory
  ) throws(Errno) {
    let (old, new) = (from.directory.view, to.directory.view)
    if to.state.hasWhiteout, isDirectory(source) || (from.needsWhiteout && work.makesDevices) {
      // The whiteout comes to the old name by the same step.
      try old.rename(from.name, to: new, to.name, .exchange)
      if !from.needsWhiteout { try? old.unlink(from.name) }
      return
    }
    guard from.needsWhiteout else {
      try old.rename(from.name, to: new, to.name)
      return
    }
    guard work.makesDevices else {
      // The marker hides nothing while the object is there.
      try work.placeWhiteout(at: from.name, in: old)
      try old.rename(from.name, to: new, to.name)
      return
    }
    do throws(Errno) {
      try old.rename(from.name, to: new, to.name, .whiteout)
    } catch {
      switch error {
      case .invalidArgument, .operationNotPermitted, .notSupported, .noFunction:
        try old.rename(from.name, to: new, to.name)
        try work.placeWhiteout(at: from.name, in: old)
      default: throw error
      }
    }
  }

  /// Makes an upper directory that is to be replaced really empty: one that holds whiteouts gives way
  /// to a fresh opaque one.
  private func emptyTarget(_ slot: Slot, _ to: RenameEnd, _ work: WorkDirectory) throws(Errno) {
    let side = try directory(slot)
    let entries = try descriptor(of: slot, at: 0).view.entries()
    if entries.isEmpty { return }
    let temporary = work.freeName()
    let status = try status(of: slot)
    try work.view.makeDirectory(temporary, mode: 0o700)
    try work.finish(temporary) { () throws(Errno) in
      let made = try work.view.open(temporary, [.readOnly, .directory, .noFollow])
      try setOpaque(made.view)
      try made.view.setOwner(uid: status.uid, gid: status.gid)
      try made.view.setMode(status.permissions)
      try work.view.rename(temporary, to: to.directory.view, to.name, .exchange)
    }
    work.discard(temporary)
    if side.layers[0].descriptor != nil {
      side.layers[0].descriptor = nil
      budget.openDirectories -= 1
    }
  }

  // MARK: - Exchange

  private func exchange(
    _ first: Slot, _ from: RenameEnd, _ second: Slot, _ to: RenameEnd
  ) throws(Errno) {
    try prepare(first, from, to)
    try prepare(second, to, from)
    try from.directory.view.rename(from.name, to: to.directory.view, to.name, .exchange)
    let (hidesFirst, hidesSecond) = (
      isDirectory(first) && to.state.needsOpaque, isDirectory(second) && from.state.needsOpaque
    )
    swapNames(first, from, second, to)
    noteMade(to.name, in: to.parent, first, opaque: hidesFirst)
    noteMade(from.name, in: from.parent, second, opaque: hidesSecond)
  }

  // MARK: - Names of nodes

  /// The node has its new name instead of the old one.
  private func rekey(_ slot: Slot, _ from: RenameEnd, _ to: RenameEnd) {
    table[to.parent].references += 1
    let held = table[slot].lookups
    table[slot].lookups += 1
    replaceName(slot, from, to)
    table[slot].lookups = held
    table[to.parent].references -= 1
    release(slot)
  }

  private func replaceName(_ slot: Slot, _ from: RenameEnd, _ to: RenameEnd) {
    if aliases[NodeAlias(parent: from.parent, name: from.name)] == slot {
      detach(slot, from.name, in: from.parent)
      addAlias(slot, to.name, in: to.parent)
      return
    }
    let old = table.unkey(slot)
    table.key(slot, to.name, in: to.parent)
    if old != .none {
      table[old].references -= 1
      release(old)
    }
  }

  private func swapNames(_ first: Slot, _ from: RenameEnd, _ second: Slot, _ to: RenameEnd) {
    for parent in [from.parent, to.parent] { table[parent].references += 1 }
    for slot in [first, second] { table[slot].lookups += 1 }
    // A name that no node has lets the two pass each other.
    let aside = RenameEnd(parent: to.parent, name: "/", directory: to.directory, state: to.state)
    replaceName(second, to, aside)
    replaceName(first, from, to)
    replaceName(second, aside, from)
    for slot in [first, second] {
      table[slot].lookups -= 1
      release(slot)
    }
    for parent in [from.parent, to.parent] {
      table[parent].references -= 1
      release(parent)
    }
  }

  // MARK: - Redirects

  /// Records where a merged directory's lower part lies before it gets another name.
  private func setRedirect(_ slot: Slot, sameParent: Bool) throws(Errno) {
    let side = try directory(slot)
    for position in side.layers.indices where side.layers[position].layer != 0 {
      side.layers[position].path = lowerPath(of: slot, in: side.layers[position].layer)
    }
    // A name beside it stays right as long as it stays in its directory, a path wherever it goes.
    if let known = side.redirect, sameParent || known.isAbsolute { return }
    let value = sameParent ? table.name(of: slot) : pathBelow(slot)
    try upperDescriptor(of: slot).view.setXattr(marks.name("redirect"), Array(value.bytes))
    side.redirect = value
  }

  /// The path under which the layers below the upper show a directory: they may have redirects too, which
  /// count for the layers below them.
  private func pathBelow(_ start: Slot) -> RawPath {
    var slot = start
    var names: [RawPath] = []
    while slot != .root, let side = sides.directory(table[slot].side) {
      names.append(side.redirect ?? table.name(of: slot))
      if names[names.count - 1].isAbsolute { break }
      slot = table[slot].parent
    }
    let front = RawPath(names.last?.isAbsolute ?? false ? "" : "/")
    return names.reversed().reduce(front) { $0.appending($1) }
  }
}
