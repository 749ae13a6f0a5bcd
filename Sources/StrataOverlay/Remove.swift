package import StrataFUSE
package import StrataSystem

extension MergedTree {
  /// Answers UNLINK.
  ///
  /// A lower object is never copied up to be removed: a whiteout is enough.
  package func unlink(_ name: RawPath, in parentID: NodeID) throws(Errno) {
    let work = try requireUpper()
    let parent = try table.slot(of: parentID)
    guard let (victim, status) = try resolve(name, in: parent) else {
      throw .noSuchFileOrDirectory
    }
    try requireUnprotected(parent)
    try requireUnprotected(victim)
    if isDirectory(victim) { throw .isADirectory }
    try copyUp(parent)
    let directory = try upperDescriptor(of: parent)
    let state = try placeState(name, in: parent)
    let needsWhiteout = state.hasLower && !state.hasMarker
    if hasOneName(victim) { pin(victim) }
    if !isUpper(victim) {
      try work.placeWhiteout(at: name, in: directory.view)
    } else if needsWhiteout {
      try work.cover(name, in: directory.view)
    } else {
      try directory.view.unlink(name)
    }
    noteRemoved(name, in: parent, state, whiteout: needsWhiteout, work)
    orphan(victim, name, in: parent, status)
  }

  /// Answers RMDIR.
  package func removeDirectory(_ name: RawPath, in parentID: NodeID) throws(Errno) {
    let work = try requireUpper()
    let parent = try table.slot(of: parentID)
    guard let (victim, status) = try resolve(name, in: parent) else {
      throw .noSuchFileOrDirectory
    }
    try requireUnprotected(parent)
    try requireUnprotected(victim)
    guard isDirectory(victim) else { throw .notADirectory }
    guard try isEmpty(victim) else { throw .directoryNotEmpty }
    try copyUp(parent)
    let directory = try upperDescriptor(of: parent)
    let state = try placeState(name, in: parent)
    let needsWhiteout = state.hasLower && !state.hasMarker
    // Somebody may have it open: what the file system says of it afterwards is kept.
    let open = isUpper(victim) ? try descriptor(of: victim, at: 0) : nil
    if open == nil {
      try work.placeWhiteout(at: name, in: directory.view)
    } else if needsWhiteout {
      work.discard(try work.exchange(name, in: directory.view))
    } else {
      try removeUpperDirectory(name, victim, directory.view, work)
    }
    noteRemoved(name, in: parent, state, whiteout: needsWhiteout, work)
    let last = open.flatMap { try? overridden($0.view.status(), $0.view, layer: 0) }
    orphan(victim, name, in: parent, last ?? status)
  }

  /// Removes an upper directory in which no user sees anything, but which may hold whiteouts.
  func removeUpperDirectory(
    _ name: RawPath, _ victim: Slot, _ directory: FileDescriptor, _ work: WorkDirectory
  ) throws(Errno) {
    let hasHidden = sides.directory(table[victim].side)?.index?.hasHiddenNames ?? true
    if !hasHidden {
      do throws(Errno) {
        try directory.removeDirectory(name)
        return
      } catch  where error == .directoryNotEmpty || error == .fileExists {
        // A marker of opaqueness, which the index does not list.
      }
    }
    let temporary = work.freeName()
    try directory.rename(name, to: work.view, temporary)
    work.discard(temporary)
  }

  /// The parent's index learns that the name is gone.
  func noteRemoved(
    _ name: RawPath, in parent: Slot, _ state: PlaceState, whiteout: Bool, _ work: WorkDirectory
  ) {
    guard let side = sides.directory(table[parent].side), side.index != nil else { return }
    if whiteout {
      let marker = !work.makesDevices
      side.index?.update(name) { $0.flags = marker ? [.hidden, .marker] : .hidden }
    } else if state.hasMarker {
      side.index?.update(name) { $0.flags = [.hidden, .marker] }
    } else {
      side.index?.remove(name)
    }
  }

  /// Whether the kernel was told of no other name of the node.
  func hasOneName(_ slot: Slot) -> Bool { existingFileSide(slot)?.aliases.isEmpty ?? true }

  /// A name of the node is gone.
  ///
  /// After the last one its attributes are kept, as long as the kernel may ask for them.
  func orphan(_ slot: Slot, _ name: RawPath, in parent: Slot, _ status: FileStatus) {
    var last = status
    if isDirectory(slot) {
      last.linkCount = 0
      if let side = sides.directory(table[slot].side) {
        side.lastStatus = last
        dropIndex(slot, side)
        closeAll(slot, side)
      }
    } else if isUpper(slot), status.linkCount > 1 {
      if !hasOneName(slot) { staleAttributes.append(table.id(of: slot)) }
      last.linkCount -= 1
      fileSide(slot).lastStatus = last
    } else {
      last.linkCount = isUpper(slot) ? 0 : last.linkCount
      if table[slot].lookups > 0 { fileSide(slot).lastStatus = last }
      if let key = existingFileSide(slot)?.linkKey {
        hardLinks[key] = nil
        existingFileSide(slot)?.linkKey = nil
      }
    }
    detach(slot, name, in: parent)
  }

  private func closeAll(_ slot: Slot, _ side: DirectorySide) {
    for position in side.layers.indices where side.layers[position].descriptor != nil {
      side.layers[position].descriptor = nil
      budget.openDirectories -= 1
    }
    budget.directories.remove(slot)
  }

  /// Answers LINK: copies the file up, then gives it the new name.
  package func link(
    _ id: NodeID, to name: RawPath, in parentID: NodeID
  ) throws(Errno) -> Entry {
    let work = try requireUpper()
    let slot = try table.slot(of: id)
    let parent = try table.slot(of: parentID)
    if isDirectory(slot) { throw .operationNotPermitted }
    if name.count > 255 { throw .nameTooLong }
    if table[parent].flags.contains(.orphan) { throw .noSuchFileOrDirectory }
    // What was removed stays so; a file that never had a name (O_TMPFILE) may get one, and so may one
    // with a link left that nobody asked for yet.
    if table[slot].flags.contains(.orphan), let last = existingFileSide(slot)?.lastStatus,
      !isUpper(slot) || last.linkCount == 0
    {
      throw .noSuchFileOrDirectory
    }
    if try resolve(name, in: parent) != nil { throw .fileExists }
    try requireMutable(parent)
    try requireUnprotected(slot)
    try copyUp(slot)
    try copyUp(parent)
    let directory = try upperDescriptor(of: parent)
    let state = try placeState(name, in: parent)
    let isLiteral = table[slot].type == .regular && MarkerFile.target(of: name) != nil
    if isLiteral { try setLiteral(slot) }
    try keepData(of: slot)
    if state.hasWhiteout {
      let temporary = work.freeName()
      try linkUpper(slot, work.view, temporary)
      try work.finish(temporary) { () throws(Errno) in
        try work.view.rename(temporary, to: directory.view, name)
      }
    } else {
      try linkUpper(slot, directory.view, name)
    }
    if state.hasMarker, let marker = MarkerFile.name(hiding: name) {
      try? directory.view.unlink(marker)
    }
    addAlias(slot, name, in: parent)
    let status = try status(of: slot)
    if status.linkCount > 1 {
      let raw = try rawStatus(of: slot)
      registerHardLink(slot, key: inodes.number(of: raw))
    }
    if table[slot].flags.contains(.hasOrigin) { try setImpure(parent) }
    noteMade(name, in: parent, slot, opaque: false)
    return entry(slot, status)
  }

  private func linkUpper(
    _ slot: Slot, _ directory: FileDescriptor, _ name: RawPath
  ) throws(Errno) {
    if table[slot].flags.contains(.orphan) {
      guard let side = existingFileSide(slot),
        let file = side.writer ?? side.reader ?? side.remains
      else { throw .noSuchFileOrDirectory }
      try file.view.linkSelf(to: directory, name)
      return
    }
    let place = try location(of: slot)
    try place.directory.view.link(place.name, to: directory, name)
  }

  private func rawStatus(of slot: Slot) throws(Errno) -> FileStatus {
    let place = try location(of: slot)
    return try place.directory.view.status(of: place.name)
  }

  func setLiteral(_ slot: Slot) throws(Errno) {
    do throws(Errno) {
      try xattrPlace(slot).set(marks.literal, [UInt8(ascii: "y")])
      table[slot].flags.remove([.withoutXattrs, .listedXattrs])
    } catch { throw .invalidArgument }
  }
}
