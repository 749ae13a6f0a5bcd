import StrataSystem

/// Requests about names and attributes.
extension Session {
  func dispatchAttributes(_ opcode: Opcode, _ request: inout Request) throws(Errno) {
    let (node, context) = (request.node, request.context)
    switch opcode {
    case .lookup:
      let name = try request.body.name()
      fileSystem.lookup(name, in: node, context, EntryReply(pending: reply(request)))
    case .getAttributes:
      let flags: UInt32 = try request.body.number()
      try request.body.skip(4)
      let handle: UInt64 = try request.body.number()
      fileSystem.attributes(
        of: node, handle: flags & 1 != 0 ? handle : nil, context,
        AttributesReply(pending: reply(request)))
    case .extendedAttributes:
      // Whatever the caller wants, the kernel asks for all that it keeps.
      fileSystem.attributes(
        of: node, context, ExtendedAttributesReply(pending: reply(request)))
    case .setAttributes:
      let changes = try AttributeChanges(&request.body)
      fileSystem.setAttributes(
        of: node, changes, context, AttributesReply(pending: reply(request)))
    case .readLink:
      fileSystem.readLink(
        node, context, DataReply(pending: reply(request), limit: Session.overhead))
    case .statfs:
      fileSystem.fileSystemStatus(
        node, context, FileSystemStatusReply(pending: reply(request)))
    case .access:
      let mask: UInt32 = try request.body.number()
      fileSystem.checkAccess(node, mask: mask, context, EmptyReply(pending: reply(request)))
    case .syncFileSystem:
      fileSystem.syncFileSystem(node, context, EmptyReply(pending: reply(request)))
    default: throw .noFunction
    }
  }

  func dispatchNames(_ opcode: Opcode, _ request: inout Request) throws(Errno) {
    let (node, context) = (request.node, request.context)
    switch opcode {
    case .link:
      let old = NodeID(rawValue: try request.body.number())
      let name = try request.body.name()
      fileSystem.link(old, to: name, in: node, context, EntryReply(pending: reply(request)))
    case .unlink:
      let name = try request.body.name()
      fileSystem.unlink(name, in: node, context, EmptyReply(pending: reply(request)))
    case .removeDirectory:
      let name = try request.body.name()
      fileSystem.removeDirectory(name, in: node, context, EmptyReply(pending: reply(request)))
    case .rename, .rename2: try dispatchRename(opcode, &request)
    default: try dispatchMakers(opcode, &request)
    }
  }

  /// What makes a name for a new object that is no file; files are made by CREATE.
  private func dispatchMakers(_ opcode: Opcode, _ request: inout Request) throws(Errno) {
    let node = request.node
    var context = request.context
    switch opcode {
    case .symlink:
      let name = try request.body.name()
      let target = try request.body.text()
      fileSystem.makeSymlink(
        name, in: node, target: target, context, EntryReply(pending: reply(request)))
    case .makeNode:
      let mode: UInt32 = try request.body.number()
      let device = DeviceNumber(wireNumber: try request.body.number())
      context.umask = try request.body.number()
      try request.body.skip(4)
      let name = try request.body.name()
      fileSystem.makeNode(
        name, in: node, mode: mode, device: device, context, EntryReply(pending: reply(request)))
    case .makeDirectory:
      let mode: UInt32 = try request.body.number()
      context.umask = try request.body.number()
      let name = try request.body.name()
      fileSystem.makeDirectory(
        name, in: node, mode: mode & 0o7777, context, EntryReply(pending: reply(request)))
    default: throw .noFunction
    }
  }

  private func dispatchRename(_ opcode: Opcode, _ request: inout Request) throws(Errno) {
    let newParent = NodeID(rawValue: try request.body.number())
    var flags: RenameFlags = []
    if opcode == .rename2 {
      flags = RenameFlags(rawValue: try request.body.number())
      try request.body.skip(4)
    }
    let name = try request.body.name()
    let newName = try request.body.name()
    fileSystem.rename(
      name, in: request.node, to: newName, in: newParent, flags, request.context,
      EmptyReply(pending: reply(request)))
  }
}

extension AttributeChanges {
  /// `fuse_setattr_in`: a word of valid bits, then every field.
  fileprivate init(_ body: inout WireReader) throws(Errno) {
    self.init()
    let valid: UInt32 = try body.number()
    try body.skip(4)
    let handle: UInt64 = try body.number()
    let size: Int64 = try body.number()
    try body.skip(8)
    let seconds: (access: Int64, modification: Int64) = (try body.number(), try body.number())
    try body.skip(8)
    let nanoseconds: (access: UInt32, modification: UInt32) = (
      try body.number(), try body.number()
    )
    try body.skip(4)
    let mode: UInt32 = try body.number()
    try body.skip(4)
    let uid: UInt32 = try body.number()
    let gid: UInt32 = try body.number()

    func has(_ bit: UInt32) -> Bool { valid & (1 << bit) != 0 }
    if has(0) { self.mode = mode & 0o7777 }
    if has(1) { self.uid = uid }
    if has(2) { self.gid = gid }
    if has(3) { self.size = size }
    if has(4) {
      accessTime =
        has(7)
        ? .now : .to(FileTime(seconds: seconds.access, nanoseconds: nanoseconds.access))
    }
    if has(5) {
      modificationTime =
        has(8)
        ? .now : .to(FileTime(seconds: seconds.modification, nanoseconds: nanoseconds.modification))
    }
    if has(6) { self.handle = handle }
    // Bit 11 says so; no bit but "handle" and "lock owner" means it (overlay-design 1.4).
    dropPrivileges = has(11) || valid & ~(1 << 6 | 1 << 9) == 0
  }
}
