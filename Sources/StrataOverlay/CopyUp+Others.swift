import StrataFUSE
import StrataSystem

extension MergedTree {
  /// Copies a directory's own attributes up, not its content: made in `work`, then moved.
  func copyUpDirectory(_ slot: Slot) throws(Errno) {
    let work = try requireUpper()
    let side = try directory(slot)
    let lower = try descriptor(of: slot, at: 0)
    let shown = try status(of: slot)
    let name = table.name(of: slot)
    let temporary = work.freeName()
    try work.view.makeDirectory(temporary, mode: 0o700)
    let made: SharedDescriptor
    do throws(Errno) {
      made = SharedDescriptor(try work.view.open(temporary, [.readOnly, .directory, .noFollow]))
      try dress(made.view, .open(lower), shown, of: slot)
      try copyInodeFlags(of: slot, from: lower.view, to: made.view)
      if let origin = originValue(lower.view, layer: table[slot].layer) {
        try? made.view.setXattr(marks.name("origin"), origin)
        try setImpure(table[slot].parent)
      }
    } catch {
      work.discard(temporary)
      throw error
    }
    try moveIntoPlace(temporary, name, in: table[slot].parent)
    side.layers.insert(DirectoryLayer(0), at: 0)
    keep(made, of: slot, side, at: 0)
    side.isImpure = false
    table[slot].layer = 0
    table[slot].flags.insert(.upper)
    table[slot].flags.remove([.withoutXattrs, .listedXattrs])
    staleAttributes.append(table.id(of: slot))
    noteCopied(slot)
  }

  /// Owner, attributes, mode and times of a directory in the making.
  private func dress(
    _ made: FileDescriptor, _ lower: XattrPlace, _ shown: FileStatus, of slot: Slot
  ) throws(Errno) {
    let owner = try storedOwner(shown, of: slot)
    if layers[0].override == nil { try made.setOwner(uid: owner.uid, gid: owner.gid) }
    try copyXattrs(from: lower, layer: layer(of: slot)) { name, value throws(Errno) in
      try made.setXattr(name, value)
    }
    if let attribute = layers[0].override {
      var stored = shown
      (stored.uid, stored.gid) = (owner.uid, owner.gid)
      try made.setXattr(attribute, OverrideStat(stored).text)
      try made.setMode(shown.permissions & 0o777 | 0o755)
    } else {
      try made.setMode(shown.permissions)
    }
    try made.setTimes(access: .to(shown.accessTime), modification: .to(shown.modificationTime))
  }

  /// Moves a finished object out of `work`; the parent's times stay as they were.
  private func moveIntoPlace(_ temporary: RawPath, _ name: RawPath, in parent: Slot) throws(Errno) {
    let work = try requireUpper()
    let target = try upperDescriptor(of: parent)
    let times = try target.view.status()
    try work.finish(temporary) { () throws(Errno) in
      try work.view.rename(temporary, to: target.view, name, .noReplace)
    }
    try? target.view.setTimes(
      access: .to(times.accessTime), modification: .to(times.modificationTime))
  }

  /// Copies a symbolic link, fifo, socket or device up.
  func copyUpSpecial(_ slot: Slot) throws(Errno) {
    let work = try requireUpper()
    let place = try location(of: slot)
    let parent = table[slot].parent
    let shown = try status(of: slot)
    let temporary = work.freeName()
    if shown.type == .symlink {
      try work.view.makeSymlink(temporary, to: try place.directory.view.readLink(place.name))
    } else {
      try work.view.makeNode(
        temporary, mode: shown.mode & 0o170000 | 0o600, device: shown.representedDevice)
    }
    let lower = XattrPlace.name(place.directory, place.name)
    let breaksLink = shown.linkCount > 1
    var hasOrigin = false
    do throws(Errno) {
      let owner = try storedOwner(shown, of: slot)
      try work.view.setOwner(of: temporary, uid: owner.uid, gid: owner.gid)
      try copyXattrs(from: lower, layer: layer(of: slot)) { name, value throws(Errno) in
        try work.view.setXattr(name, value, of: temporary)
      }
      if shown.type != .symlink { try work.view.setMode(of: temporary, shown.permissions) }
      try work.view.setTimes(
        of: temporary, access: .to(shown.accessTime), modification: .to(shown.modificationTime))
      if !breaksLink { hasOrigin = try writeOrigin(place, layer: table[slot].layer, to: temporary) }
      if hasOrigin { try setImpure(parent) }
    } catch {
      work.discard(temporary)
      throw error
    }
    try moveIntoPlace(temporary, place.name, in: parent)
    table[slot].layer = 0
    table[slot].flags.insert(.upper)
    table[slot].flags.remove([.lowerHardLink, .withoutXattrs, .listedXattrs])
    if hasOrigin { table[slot].flags.insert(.hasOrigin) }
    if breaksLink {
      let raw = try upperDescriptor(of: parent).view.status(of: place.name)
      renumber(slot, raw)
    }
    staleAttributes.append(table.id(of: slot))
    noteCopied(slot)
  }

  /// Records where a special file came from, as far as its kind can hold that.
  private func writeOrigin(
    _ place: (directory: SharedDescriptor, name: RawPath), layer: UInt16, to temporary: RawPath
  ) throws(Errno) -> Bool {
    guard followsOrigins,
      let lower = try? place.directory.view.open(place.name, [.path, .noFollow]),
      let value = originValue(lower.view, layer: layer)
    else { return false }
    let work = try requireUpper()
    return (try? work.view.setXattr(marks.name("origin"), value, of: temporary)) != nil
  }
}
