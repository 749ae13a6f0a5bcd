package import StrataFUSE
package import StrataSystem

extension MergedTree {
  /// Answers SETATTR.
  ///
  /// The order is that of chown(2) and chmod(2): a change of owner clears suid bits, which a mode
  /// given beside it sets again.
  package func setAttributes(
    of id: NodeID, _ changes: AttributeChanges, _ context: RequestContext
  ) throws(Errno) -> Attributes {
    let slot = try table.slot(of: id)
    _ = try requireUpper()
    try requireSettable(slot, changes)
    var owner: FileSystemIdentity?
    // Nothing at all is chown(2) with neither id too: it dates the change and drops privileges.
    if changes.uid != nil || changes.gid != nil || changes.isEmpty {
      owner = try newOwner(slot, changes)
    }
    if let gone = changedRemains(slot, changes, owner) { return shown(gone, of: slot) }
    if let size = changes.size {
      if size < 0 { throw .invalidArgument }
      try copyUp(slot, CopyChanges(size: size))
      try truncate(slot, to: size)
    } else {
      try copyUp(slot)
    }
    if changes.dropPrivileges { try dropPrivileges(slot, context) }
    if let owner { try setOwner(slot, owner) }
    if let mode = changes.mode { try setMode(slot, mode & 0o7777) }
    try setTimes(slot, changes)
    return shown(try status(of: slot), of: slot)
  }

  /// Changes what is remembered of an object without a name or descriptor.
  ///
  /// Such is an open fifo or device that was removed: the kernel opens it without asking, and nothing
  /// else can see it any more.
  private func changedRemains(
    _ slot: Slot, _ changes: AttributeChanges, _ owner: FileSystemIdentity?
  ) -> FileStatus? {
    guard table[slot].flags.contains(.orphan), changes.size == nil, var last = remains(of: slot)
    else { return nil }
    if changes.dropPrivileges, !isDirectory(slot) { last.mode = withoutPrivileges(last.mode) }
    if let owner {
      if owner.uid != UInt32.max { last.uid = owner.uid }
      if owner.gid != UInt32.max { last.gid = owner.gid }
      if !isDirectory(slot) { last.mode = withoutPrivileges(last.mode) }
    }
    if let mode = changes.mode { last.mode = last.mode & 0o170000 | mode & 0o7777 }
    last.accessTime = changes.accessTime.applied(to: last.accessTime)
    last.modificationTime = changes.modificationTime.applied(to: last.modificationTime)
    sides.directory(table[slot].side)?.lastStatus = last
    existingFileSide(slot)?.lastStatus = last
    return last
  }

  /// The attributes of an object of which nothing else is left.
  private func remains(of slot: Slot) -> FileStatus? {
    if let side = sides.directory(table[slot].side) { return side.lastStatus }
    guard let side = existingFileSide(slot), side.reader == nil, side.writer == nil,
      side.remains == nil
    else { return nil }
    return side.lastStatus
  }

  /// The ids to store; those not mentioned stay.
  ///
  /// EINVAL for one that cannot be stored.
  private func newOwner(
    _ slot: Slot, _ changes: AttributeChanges
  ) throws(Errno) -> FileSystemIdentity? {
    let mapping = layers[0].mapping
    let keep = UInt32.max
    var owner = FileSystemIdentity(uid: keep, gid: keep)
    if let uid = changes.uid {
      guard let stored = mapping.storedUID(uid) else { throw .invalidArgument }
      owner.uid = stored
    }
    if let gid = changes.gid {
      guard let stored = mapping.storedGID(gid) else { throw .invalidArgument }
      owner.gid = stored
    }
    return owner
  }

  private func truncate(_ slot: Slot, to size: Int64) throws(Errno) {
    guard table[slot].type == .regular else {
      throw isDirectory(slot) ? .isADirectory : .invalidArgument
    }
    if let open = existingFileSide(slot)?.writer {
      try open.view.truncate(to: size)
      return
    }
    let file = try temporaryWriter(slot)
    try file.view.truncate(to: size)
  }

  /// A descriptor that can write, which is not kept unless the node is open anyway.
  private func temporaryWriter(_ slot: Slot) throws(Errno) -> SharedDescriptor {
    let file = try writer(slot)
    if let side = existingFileSide(slot), side.opens == 0 { budget.drop(slot, side) }
    return file
  }

  private func setOwner(_ slot: Slot, _ owner: FileSystemIdentity) throws(Errno) {
    // Symbolic links have the real one.
    if layers[0].override != nil, table[slot].type != .symlink {
      var status = try status(of: slot)
      if owner.uid != UInt32.max { status.uid = owner.uid }
      if owner.gid != UInt32.max { status.gid = owner.gid }
      if status.type == .regular { status.mode = withoutPrivileges(status.mode) }
      if try setOverride(slot, status) { return }
    }
    do throws(Errno) {
      if let open = openUpper(slot) {
        try open.view.setOwner(uid: owner.uid, gid: owner.gid)
      } else {
        let place = try location(of: slot)
        try place.directory.view.setOwner(of: place.name, uid: owner.uid, gid: owner.gid)
      }
    } catch  where squashUID != nil || squashGID != nil {
      // Every owner is shown as the same one, so a change of it says nothing.
    }
  }

  /// A descriptor of the upper object, if there is one that takes fchown and fchmod.
  private func openUpper(_ slot: Slot) -> SharedDescriptor? {
    if isDirectory(slot) {
      return table[slot].flags.contains(.orphan) ? nil : try? descriptor(of: slot, at: 0)
    }
    guard let side = existingFileSide(slot), side.data == nil else { return nil }
    return side.writer ?? side.reader ?? (side.remains == nil ? nil : try? reader(slot))
  }

  /// Sets the permission bits of an upper object.
  func setMode(_ slot: Slot, _ mode: UInt32) throws(Errno) {
    if layers[0].override != nil {
      var changed = try status(of: slot)
      changed.mode = changed.mode & 0o170000 | mode
      if try setOverride(slot, changed) { return }
    }
    if let open = openUpper(slot) {
      try open.view.setMode(mode)
    } else {
      guard table[slot].type != .symlink else { throw .notSupported }
      let place = try location(of: slot)
      try place.directory.view.setMode(of: place.name, mode)
    }
  }

  /// Stores owner and mode in the upper's attribute; false for an object that cannot hold one.
  func setOverride(_ slot: Slot, _ status: FileStatus) throws(Errno) -> Bool {
    guard let attribute = layers[0].override else { return false }
    do throws(Errno) {
      try xattrPlace(slot).set(attribute, OverrideStat(status).text)
      return true
    } catch  where error == .operationNotPermitted || error == .notSupported {
      return false
    }
  }

  private func setTimes(_ slot: Slot, _ changes: AttributeChanges) throws(Errno) {
    if case .keep = changes.accessTime, case .keep = changes.modificationTime { return }
    if let open = openUpper(slot) {
      try open.view.setTimes(access: changes.accessTime, modification: changes.modificationTime)
    } else {
      let place = try location(of: slot)
      try place.directory.view.setTimes(
        of: place.name, access: changes.accessTime, modification: changes.modificationTime)
    }
  }

  // MARK: - Privileges

  /// A mode without suid, and without sgid where the group may execute.
  func withoutPrivileges(_ mode: UInt32) -> UInt32 {
    mode & ~0o4000 & ~(mode & 0o010 != 0 ? 0o2000 : 0)
  }

  /// Takes suid, sgid and file capabilities off an upper file before it changes, as
  /// HANDLE_KILLPRIV_V2 makes it our duty: the daemon's own writes do not do it.
  ///
  /// Where the group may not execute, sgid goes all the same unless the caller is of the group.
  func dropPrivileges(_ slot: Slot, _ context: RequestContext) throws(Errno) {
    guard !isDirectory(slot), table[slot].type != .symlink, isUpper(slot) else { return }
    let status = try status(of: slot)
    var mode = withoutPrivileges(status.permissions)
    if mode & 0o2000 != 0 {
      let group = shown(status, of: slot).gid
      if !CallerProcess(context).groups.contains(group) { mode &= ~0o2000 }
    }
    if mode != status.permissions { try setMode(slot, mode) }
    if table[slot].type != .regular || table[slot].flags.contains(.withoutXattrs) { return }
    try? xattrPlace(slot).remove("security.capability")
  }
}

extension AttributeChanges {
  fileprivate var isEmpty: Bool {
    guard mode == nil, uid == nil, gid == nil, size == nil else { return false }
    guard case .keep = accessTime, case .keep = modificationTime else { return false }
    return true
  }
}

extension TimeChange {
  fileprivate func applied(to time: FileTime) -> FileTime {
    switch self {
    case .keep: time
    case .now: .now
    case .to(let new): new
    }
  }
}
