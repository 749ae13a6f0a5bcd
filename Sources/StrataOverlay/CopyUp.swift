import StrataFUSE
import StrataSystem

/// What a copy-up is to give the copy instead of the lower's own values, so that one publication shows
/// the change as well.
struct CopyChanges {
  /// Only so much of the data is wanted.
  var size: Int64?
  /// The copy is about to be written to, so its descriptor is kept.
  var keepsOpen = false
}

extension MergedTree {
  /// Makes sure that the node lies in the upper, its parents first.
  func copyUp(_ slot: Slot, _ changes: CopyChanges = CopyChanges()) throws(Errno) {
    _ = try requireUpper()
    if isUpper(slot) { return }
    if table[slot].flags.contains(.orphan) {
      try copyUpOrphan(slot, changes)
      return
    }
    try copyUpParents(of: slot)
    counters.copyUps += 1
    switch table[slot].type {
    case .directory: try copyUpDirectory(slot)
    case .regular: try copyUpRegular(slot, changes)
    default: try copyUpSpecial(slot)
    }
  }

  /// From the top down, so that each step leaves a whole tree.
  private func copyUpParents(of slot: Slot) throws(Errno) {
    var missing: [Slot] = []
    var above = table[slot].parent
    while !isUpper(above) {
      missing.append(above)
      above = table[above].parent
    }
    for directory in missing.reversed() {
      counters.copyUps += 1
      try copyUpDirectory(directory)
    }
  }

  // MARK: - Regular files

  /// Copies an open lower file that has no name any more: nobody will find the copy by name either.
  private func copyUpOrphan(_ slot: Slot, _ changes: CopyChanges) throws(Errno) {
    let work = try requireUpper()
    guard table[slot].type == .regular, let side = existingFileSide(slot),
      side.reader != nil || side.remains != nil
    else { throw .noSuchFileOrDirectory }
    let source = try reader(slot)
    let shown = try status(of: slot)
    let temporary = try work.makeTemporary()
    if let name = temporary.name { try work.view.unlink(name) }
    let copy = temporary.descriptor
    let length = min(changes.size ?? shown.size, shown.size)
    if length > 0 { try source.view.copyContents(to: copy.view, length: length) }
    try finishCopy(
      copy.view, of: slot, shown, LowerAttributes(place: .open(source), origin: source))
    try becomeUpper(slot, copy, breaksLink: false, hasOrigin: false, keepsOpen: true)
  }

  private func copyUpRegular(_ slot: Slot, _ changes: CopyChanges) throws(Errno) {
    let work = try requireUpper()
    let parent = table[slot].parent
    let name = table.name(of: slot)
    let source = try reader(slot)
    let raw = try source.view.status()
    let place = try lowerAttributes(slot)
    // The status is the lower file's own, not that of a metacopy file's data.
    let own = existingFileSide(slot)?.data == nil ? raw : try place.origin.view.status()
    let shown = overridden(own, place.origin.view, layer: table[slot].layer)
    let target = try upperDescriptor(of: parent)
    let times = try target.view.status()
    let length = min(changes.size ?? shown.size, shown.size)
    let ready = try takeLongCopy(slot, length: length)
    let temporary = if let ready { ready } else { try work.makeTemporary() }
    do throws(Errno) {
      let copy = temporary.descriptor
      counters.copiedBytes += length
      touched = table[slot].layer
      if ready == nil { try copyData(source.view, raw, to: copy.view, length: length) }
      touched = 0
      try finishCopy(copy.view, of: slot, shown, place)
      let breaksLink = own.linkCount > 1
      let hasOrigin =
        breaksLink
        ? false : try writeOrigin(place.origin.view, layer: table[slot].layer, to: copy.view)
      if options.syncs { try copy.view.synchronizeData() }
      if hasOrigin { try setImpure(parent) }
      try publish(temporary, work, name, target.view)
      try? target.view.setTimes(
        access: .to(times.accessTime), modification: .to(times.modificationTime))
      try becomeUpper(
        slot, copy, breaksLink: breaksLink, hasOrigin: hasOrigin, keepsOpen: changes.keepsOpen)
    } catch {
      if let name = temporary.name { work.discard(name) }
      throw error
    }
  }

  /// Small files without holes in two calls; others as the file system does it best.
  private func copyData(
    _ source: FileDescriptor, _ status: FileStatus, to copy: FileDescriptor, length: Int64
  ) throws(Errno) {
    if length == 0 { return }
    guard length <= 64 << 10, status.blocks * 512 >= UInt64(max(0, status.size)) else {
      try source.copyContents(to: copy, length: length)
      return
    }
    let bytes = try source.read(count: Int(length), at: 0)
    try copy.writeAll(bytes.rawSpan, at: 0)
    if bytes.count < length { try copy.truncate(to: length) }
  }

  /// Where the attributes of a lower file are read from: an open file, or a name where it cannot be
  /// opened.
  private func lowerAttributes(_ slot: Slot) throws(Errno) -> LowerAttributes {
    if existingFileSide(slot)?.data == nil {
      let open = try reader(slot)
      return LowerAttributes(place: .open(open), origin: open)
    }
    let open = try openFile(slot, [.readOnly, .nonBlocking])
    return LowerAttributes(place: .open(open), origin: open)
  }

  private struct LowerAttributes {
    var place: XattrPlace
    var origin: SharedDescriptor
  }

  /// Owner, attributes, mode and times of the copy, in the order in which none undoes another.
  private func finishCopy(
    _ copy: FileDescriptor, of slot: Slot, _ shown: FileStatus, _ lower: LowerAttributes
  ) throws(Errno) {
    let owner = try storedOwner(shown, of: slot)
    if layers[0].override == nil { try copy.setOwner(uid: owner.uid, gid: owner.gid) }
    try copyXattrs(from: lower.place, layer: layer(of: slot)) { name, value throws(Errno) in
      try copy.setXattr(name, value)
    }
    if let attribute = layers[0].override {
      var stored = shown
      (stored.uid, stored.gid) = (owner.uid, owner.gid)
      try copy.setXattr(attribute, OverrideStat(stored).text)
      try copy.setMode(shown.permissions & 0o777 | 0o755)
    } else {
      try copy.setMode(shown.permissions)
    }
    try copyInodeFlags(of: slot, from: lower.origin.view, to: copy)
    try copy.setTimes(access: .to(shown.accessTime), modification: .to(shown.modificationTime))
  }

  /// The ids that the upper is to hold for a lower's file, which shows the same then.
  func storedOwner(_ status: FileStatus, of slot: Slot) throws(Errno) -> FileSystemIdentity {
    let from = layer(of: slot).mapping
    let to = layers[0].mapping
    guard !from.isIdentity || !to.isIdentity else {
      return FileSystemIdentity(uid: status.uid, gid: status.gid)
    }
    // An owner outside the mapping cannot be shown by the upper either: it keeps its number there.
    return FileSystemIdentity(
      uid: to.storedUID(from.shownUID(status.uid)) ?? status.uid,
      gid: to.storedGID(from.shownGID(status.gid)) ?? status.gid)
  }

  /// Gives the temporary file its name in the upper.
  private func publish(
    _ temporary: TemporaryFile, _ work: WorkDirectory, _ name: RawPath, _ target: FileDescriptor
  ) throws(Errno) {
    if let made = temporary.name {
      try work.view.rename(made, to: target, name, .noReplace)
    } else {
      try temporary.descriptor.view.linkSelf(to: target, name)
    }
  }

  /// Turns the node to the copy.
  ///
  /// Descriptors that are in use are replaced: what they read is equal.
  private func becomeUpper(
    _ slot: Slot, _ copy: SharedDescriptor, breaksLink: Bool, hasOrigin: Bool, keepsOpen: Bool
  ) throws(Errno) {
    let side = fileSide(slot)
    let isKept = keepsOpen || side.opens > 0
    budget.drop(slot, side)
    side.data = nil
    table[slot].layer = 0
    table[slot].flags.insert(.upper)
    table[slot].flags.remove([.lowerHardLink, .withoutXattrs, .listedXattrs])
    if hasOrigin { table[slot].flags.insert(.hasOrigin) }
    if breaksLink { renumber(slot, try copy.view.status()) }
    staleAttributes.append(table.id(of: slot))
    if isKept {
      side.writer = copy
      side.writerIsWriteOnly = false
      counted(slot)
    }
    noteCopied(slot)
  }

  /// The copy of one of several links is a file of its own.
  func renumber(_ slot: Slot, _ copy: FileStatus) {
    table[slot].inode = inodes.number(of: copy)
    staleListings.append(table.id(of: table[slot].parent))
  }

  /// The parent's index learns that the upper has the name now.
  func noteCopied(_ slot: Slot) {
    guard table[slot].flags.contains(.keyed),
      let side = sides.directory(table[table[slot].parent].side), side.index != nil
    else {
      return
    }
    let inode = table[slot].inode
    side.index?.update(table.name(of: slot)) {
      $0.flags.insert(.upper)
      $0.inode = inode
    }
  }

  // MARK: - Attributes

  /// Copies every attribute that is not an overlay's own.
  ///
  /// What only a more powerful user could set is left out, as the kernel's overlay does.
  func copyXattrs(
    from place: XattrPlace, layer: Layer, _ set: (RawPath, [UInt8]) throws(Errno) -> Void
  ) throws(Errno) {
    let names: [RawPath]
    do throws(Errno) { names = try place.names() } catch  where error == .notSupported { return }
    for name in names where PrivateXattrs.shown(name) != nil && name != layer.override {
      let value: [UInt8]
      do throws(Errno) {
        value = try place.value(name)
      } catch {
        if error == .noData || error == .valueTooLarge { continue }
        throw error
      }
      let shown = try layer.mapping.converted(value, of: name, .toShown)
      let stored = try layers[0].mapping.converted(shown, of: name, .toStored)
      do throws(Errno) {
        try set(name, stored)
      } catch {
        let needsRights = name.hasPrefix("trusted.") || name.hasPrefix("security.")
        if error == .notSupported || error == .invalidArgument
          || (error == .operationNotPermitted && needsRights)
        {
          continue
        }
        throw error
      }
    }
  }
}

/// A file in the making: without a name, or under one in `work`.
struct TemporaryFile: Sendable {
  let descriptor: SharedDescriptor
  let name: RawPath?
}

extension WorkDirectory {
  /// A new empty file, mode 0600.
  func makeTemporary() throws(Errno) -> TemporaryFile {
    if makesTemporaryFiles {
      do throws(Errno) {
        let file = try view.open(".", [.temporaryFile, .readWrite], mode: 0o600)
        return TemporaryFile(descriptor: SharedDescriptor(file), name: nil)
      } catch {
        guard error == .notSupported || error == .isADirectory || error == .invalidArgument else {
          throw error
        }
        makesTemporaryFiles = false
      }
    }
    let name = freeName()
    let file = try view.open(name, [.readWrite, .create, .exclusive], mode: 0o600)
    return TemporaryFile(descriptor: SharedDescriptor(file), name: name)
  }
}
