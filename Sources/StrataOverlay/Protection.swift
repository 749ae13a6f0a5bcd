package import StrataFUSE
package import StrataSystem

/// Files that may not change (chattr +i) or only grow (chattr +a).
///
/// As the kernel's overlay has it: of a lower file the flags are its own, of an upper one they are kept in
/// `overlay.protattr`, since a file that has them can be neither linked into place nor removed with its
/// layer. The kernel knows nothing of them at the inodes of a FUSE mount, so what its own checks would
/// refuse is refused here.
extension MergedTree {
  /// FS_IMMUTABLE_FL and FS_APPEND_FL of FS_IOC_SETFLAGS.
  static let protectingFlags: UInt32 = 0x10 | 0x20
  /// FS_XFLAG_IMMUTABLE and FS_XFLAG_APPEND of FS_IOC_FSSETXATTR.
  static let protectingXFlags: UInt32 = 0x8 | 0x10

  /// Takes the flags that a status shows; of a lower file there are no others.
  func noteProtection(_ slot: Slot, _ status: FileStatus) {
    if status.isImmutable { table[slot].flags.insert(.immutable) }
    if status.isAppendOnly { table[slot].flags.insert(.appendOnly) }
    if !isUpper(slot) { table[slot].flags.insert(.knownProtection) }
  }

  /// The node's flags with nothing but `.immutable` and `.appendOnly` in them.
  func protection(of slot: Slot) -> NodeFlags {
    if !table[slot].flags.contains(.knownProtection) {
      table[slot].flags.insert(.knownProtection)
      let mark = marks == .none ? [] : (try? protectionMark(slot)) ?? []
      if mark.contains(UInt8(ascii: "i")) { table[slot].flags.insert(.immutable) }
      if mark.contains(UInt8(ascii: "a")) { table[slot].flags.insert(.appendOnly) }
    }
    return table[slot].flags.intersection([.immutable, .appendOnly])
  }

  /// `protattr` holds a letter for each flag.
  private func protectionMark(_ slot: Slot) throws(Errno) -> [UInt8] {
    guard isDirectory(slot) || table[slot].type == .regular else { return [] }
    if slot == .root { return try layers[0].root.view.xattr(marks.name("protattr")) }
    if isDirectory(slot) {
      return try descriptor(of: slot, at: 0).view.xattr(marks.name("protattr"))
    }
    if let side = existingFileSide(slot), side.data == nil, let open = side.writer ?? side.reader {
      return try open.view.xattr(marks.name("protattr"))
    }
    let place = try location(of: slot)
    return try place.directory.view.xattr(marks.name("protattr"), of: place.name)
  }

  /// EPERM if the node has either flag: for its attributes, names and removal.
  func requireUnprotected(_ slot: Slot) throws(Errno) {
    if !protection(of: slot).isEmpty { throw .operationNotPermitted }
  }

  /// EPERM for what may only grow, and for what may not even that.
  func requireMutable(_ slot: Slot) throws(Errno) {
    if protection(of: slot).contains(.immutable) { throw .operationNotPermitted }
  }

  /// EPERM unless the file may be opened so: may_open() of the kernel.
  func requireOpenable(_ slot: Slot, _ request: OpenRequest) throws(Errno) {
    guard request.writes else { return }
    let protection = protection(of: slot)
    if protection.isEmpty { return }
    guard protection == .appendOnly, request.flags.contains(.append),
      !request.flags.contains(.truncate)
    else { throw .operationNotPermitted }
  }

  /// EPERM for a change of attributes that the flags forbid: may_setattr() of the kernel, and a change of
  /// the size.
  func requireSettable(_ slot: Slot, _ changes: AttributeChanges) throws(Errno) {
    let protection = protection(of: slot)
    if protection.isEmpty { return }
    if changes.mode != nil || changes.uid != nil || changes.gid != nil || changes.size != nil {
      throw .operationNotPermitted
    }
    switch (changes.accessTime, changes.modificationTime) {
    case (.keep, .keep): return
    case (.now, .now):
      if protection.contains(.immutable) { throw .operationNotPermitted }
    default: throw .operationNotPermitted
    }
  }

  // MARK: - Setting

  /// The flags that a lower file hands to its copy: FS_SYNC_FL and FS_NOATIME_FL themselves, the
  /// protecting ones as a mark.
  func copyInodeFlags(of slot: Slot, from lower: FileDescriptor, to copy: FileDescriptor)
    throws(Errno)
  {
    guard let flags = try? lower.control(ControlCommand.getFlags, [UInt8](repeating: 0, count: 8))
    else {
      return
    }
    let own = flags.littleEndian32(at: 0)
    if own & Self.protectingFlags != 0 {
      do throws(Errno) {
        try setProtectionMark(own & 0x10 != 0, own & 0x20 != 0, on: copy)
      } catch  where error == .operationNotPermitted {
        // An upper that can hold no mark: the copy is unprotected, as with the kernel's overlay.
      }
    }
    guard own & 0x88 != 0,
      var block = try? copy.control(ControlCommand.getFlags, [UInt8](repeating: 0, count: 8))
    else { return }
    block.setLittleEndian32(block.littleEndian32(at: 0) | own & 0x88, at: 0)
    _ = try? copy.control(ControlCommand.setFlags, block)
  }

  /// Writes the mark, or removes it where neither flag is set.
  func setProtectionMark(_ immutable: Bool, _ appendOnly: Bool, on file: FileDescriptor)
    throws(Errno)
  {
    let value = (appendOnly ? [UInt8(ascii: "a")] : []) + (immutable ? [UInt8(ascii: "i")] : [])
    guard value.isEmpty else {
      guard marks != .none else { throw .operationNotPermitted }
      try file.setXattr(marks.name("protattr"), value)
      return
    }
    do throws(Errno) { try file.removeXattr(marks.name("protattr")) } catch {
      guard error == .noData || error == .notSupported else { throw error }
    }
  }

  /// Sets inode flags of an upper file: the protecting ones by mark, the rest as they are.
  func setInodeFlags(_ slot: Slot, _ command: UInt32, _ input: [UInt8]) throws(Errno) {
    let protecting =
      command == ControlCommand.setFlags ? Self.protectingFlags : Self.protectingXFlags
    var block = input + [UInt8](repeating: 0, count: max(0, 28 - input.count))
    let wanted = block.littleEndian32(at: 0)
    let immutable = wanted & protecting & (command == ControlCommand.setFlags ? 0x10 : 0x8) != 0
    let appendOnly = wanted & protecting & (command == ControlCommand.setFlags ? 0x20 : 0x10) != 0
    let file = try inodeFile(slot)
    // One whose real flags protect it can get its mark only once they are off.
    let real = try file.view.status()
    if real.isImmutable || real.isAppendOnly {
      block.setLittleEndian32(wanted & ~protecting, at: 0)
      _ = try file.view.control(command, block)
    }
    if immutable || appendOnly || !protection(of: slot).isEmpty {
      try setProtectionMark(immutable, appendOnly, on: file.view)
      table[slot].flags.remove([.withoutXattrs, .listedXattrs])
    }
    table[slot].flags.remove([.immutable, .appendOnly])
    if immutable { table[slot].flags.insert(.immutable) }
    if appendOnly { table[slot].flags.insert(.appendOnly) }
    block.setLittleEndian32(wanted & ~protecting, at: 0)
    _ = try file.view.control(command, block)
  }

  /// What FS_IOC_GETFLAGS or FS_IOC_FSGETXATTR answers: the file's own flags and the mark's.
  func inodeFlags(_ slot: Slot, _ command: UInt32) throws(Errno) -> [UInt8] {
    let isFlags = command == ControlCommand.getFlags
    // Named, since one that only a call holds closes before the number is used.
    let file = try inodeFile(slot)
    var answer = try file.view.control(command, [UInt8](repeating: 0, count: isFlags ? 8 : 28))
    let protection = protection(of: slot)
    var flags = answer.littleEndian32(at: 0)
    if protection.contains(.immutable) { flags |= isFlags ? 0x10 : 0x8 }
    if protection.contains(.appendOnly) { flags |= isFlags ? 0x20 : 0x10 }
    answer.setLittleEndian32(flags, at: 0)
    return isFlags ? Array(answer.prefix(4)) : answer
  }

  /// Answers IOCTL for inode flags; ENOTTY for anything else.
  package func control(_ id: NodeID, _ command: UInt32, _ input: [UInt8]) throws(Errno) -> [UInt8] {
    let slot = try table.slot(of: id)
    switch command {
    case ControlCommand.getFlags, ControlCommand.getXattr: return try inodeFlags(slot, command)
    case ControlCommand.setFlags, ControlCommand.setXattr:
      _ = try requireUpper()
      guard isDirectory(slot) || table[slot].type == .regular else { throw .notATerminal }
      try copyUp(slot)
      try setInodeFlags(slot, command, input)
      // It dates the change, of which the kernel hears nothing.
      staleAttributes.append(id)
      return []
    default: throw .notATerminal
    }
  }

  private func inodeFile(_ slot: Slot) throws(Errno) -> SharedDescriptor {
    if isDirectory(slot) { return try descriptor(of: slot, at: 0) }
    guard table[slot].type == .regular else { throw .notATerminal }
    if let side = existingFileSide(slot), let open = side.writer ?? side.reader { return open }
    return try openFile(slot, [.readOnly, .nonBlocking])
  }
}

/// FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR.
enum ControlCommand {
  static let getFlags: UInt32 = 0x8008_6601
  static let setFlags: UInt32 = 0x4008_6602
  static let getXattr: UInt32 = 0x801c_581f
  static let setXattr: UInt32 = 0x401c_5820
}
