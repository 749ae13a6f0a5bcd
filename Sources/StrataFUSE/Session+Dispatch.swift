import StrataSystem

/// From the wire to the protocol's methods.
///
/// Each branch reads its whole body first and makes the reply last: what throws here has not been
/// answered.
extension Session {
  func dispatch(_ request: inout Request) throws(Errno) {
    guard let opcode = Opcode(rawValue: request.opcode) else { throw .noFunction }
    switch opcode {
    case .lookup, .getAttributes, .setAttributes, .readLink, .statfs, .access, .syncFileSystem:
      try dispatchAttributes(opcode, &request)
    case .symlink, .makeNode, .makeDirectory, .link, .unlink, .removeDirectory, .rename, .rename2:
      try dispatchNames(opcode, &request)
    case .open, .create, .temporaryFile, .read, .write, .flush, .release, .sync:
      try dispatchFiles(opcode, &request)
    case .allocate, .seek, .copyFileRange, .control:
      try dispatchRanges(opcode, &request)
    case .openDirectory, .readDirectory, .readDirectoryPlus, .releaseDirectory, .syncDirectory:
      try dispatchDirectories(opcode, &request)
    case .setXattr, .getXattr, .listXattr, .removeXattr:
      try dispatchXattrs(opcode, &request)
    case .forget:
      fileSystem.forget(request.node, count: try request.body.number())
    case .batchForget: try forgetMany(&request.body)
    case .interrupt: fileSystem.interrupt(try request.body.number())
    case .destroy: EmptyReply(pending: reply(request)).succeed()
    case .notifyReply: break
    case .initialize: throw .protocolError
    }
  }

  private func reply(_ request: Request) -> PendingReply {
    PendingReply(channel: channel, unique: request.context.unique)
  }

  /// A count, then pairs of node and lookups: `fuse_batch_forget_in`, which has no reply.
  private func forgetMany(_ body: inout WireReader) throws(Errno) {
    let count: UInt32 = try body.number()
    try body.skip(4)
    for _ in 0..<count {
      let node = NodeID(rawValue: try body.number())
      fileSystem.forget(node, count: try body.number())
    }
  }
}

// MARK: - Names and attributes

extension Session {
  private func dispatchAttributes(_ opcode: Opcode, _ request: inout Request) throws(Errno) {
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

  private func dispatchNames(_ opcode: Opcode, _ request: inout Request) throws(Errno) {
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
    default: try dispatchRename(opcode, &request)
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

// MARK: - Files

extension Session {
  private func dispatchFiles(_ opcode: Opcode, _ request: inout Request) throws(Errno) {
    let (node, context) = (request.node, request.context)
    switch opcode {
    case .open:
      let open = try OpenRequest(&request.body)
      fileSystem.open(node, open, context, OpenReply(pending: reply(request)))
    case .create, .temporaryFile: try dispatchCreate(opcode, &request)
    case .read:
      let (read, limit) = try ReadRequest.parse(node, &request.body)
      fileSystem.read(read, context, DataReply(pending: reply(request), limit: limit))
    case .write: try dispatchWrite(&request)
    case .flush:
      let handle: UInt64 = try request.body.number()
      fileSystem.flush(node, handle: handle, context, EmptyReply(pending: reply(request)))
    case .release:
      let handle: UInt64 = try request.body.number()
      fileSystem.release(node, handle: handle, context, EmptyReply(pending: reply(request)))
    case .sync:
      let handle: UInt64 = try request.body.number()
      let flags: UInt32 = try request.body.number()
      fileSystem.sync(
        node, handle: handle, dataOnly: flags & 1 != 0, context,
        EmptyReply(pending: reply(request)))
    default: throw .noFunction
    }
  }

  /// `fuse_create_in` and the name; TMPFILE's has a name that says nothing.
  private func dispatchCreate(_ opcode: Opcode, _ request: inout Request) throws(Errno) {
    let flags: UInt32 = try request.body.number()
    let mode: UInt32 = try request.body.number()
    var context = request.context
    context.umask = try request.body.number()
    let openFlags: UInt32 = try request.body.number()
    let open = OpenRequest(
      flags: OpenFlags(rawValue: Int32(bitPattern: flags)), dropPrivileges: openFlags & 1 != 0)
    if opcode == .temporaryFile {
      fileSystem.makeTemporaryFile(
        in: request.node, mode: mode & 0o7777, open, context,
        CreateReply(pending: reply(request)))
      return
    }
    let name = try request.body.name()
    fileSystem.create(
      name, in: request.node, mode: mode & 0o7777, open, context,
      CreateReply(pending: reply(request)))
  }

  /// `fuse_write_in` and the bytes, which stay where they were read.
  private func dispatchWrite(_ request: inout Request) throws(Errno) {
    let handle: UInt64 = try request.body.number()
    let offset: Int64 = try request.body.number()
    let size: UInt32 = try request.body.number()
    let flags: UInt32 = try request.body.number()
    try request.body.skip(16)
    let bytes = try unsafe request.body.bytes(Int(size))
    let write = WriteRequest(
      node: request.node, handle: handle, offset: offset, fromCache: flags & 1 != 0,
      dropPrivileges: flags & 4 != 0)
    // The memory is the loop's, which reads nothing into it before this call is over.
    unsafe fileSystem.write(
      write, bytes.bytes, request.context, CountReply(pending: reply(request)))
  }

  private func dispatchRanges(_ opcode: Opcode, _ request: inout Request) throws(Errno) {
    let (node, context) = (request.node, request.context)
    let handle: UInt64 = try request.body.number()
    switch opcode {
    case .allocate:
      let offset: Int64 = try request.body.number()
      let length: Int64 = try request.body.number()
      let mode: Int32 = try request.body.number()
      fileSystem.allocate(
        node, handle: handle, mode: mode, offset: offset, length: length, context,
        EmptyReply(pending: reply(request)))
    case .seek:
      let offset: Int64 = try request.body.number()
      let whence: Int32 = try request.body.number()
      fileSystem.seek(
        node, handle: handle, offset: offset, whence: whence, context,
        OffsetReply(pending: reply(request)))
    case .copyFileRange:
      let copy = CopyRequest(
        source: node, sourceHandle: handle, sourceOffset: try request.body.number(),
        destination: NodeID(rawValue: try request.body.number()),
        destinationHandle: try request.body.number(),
        destinationOffset: try request.body.number(),
        // The reply has 32 bits for the count.
        count: Int(min(try request.body.number(UInt64.self), 0x7fff_f000)))
      fileSystem.copyRange(copy, context, CountReply(pending: reply(request)))
    default: try dispatchControl(handle, &request)
    }
  }

  /// Only restricted ioctls come to a file system that is no character device: `fuse_ioctl_in`.
  private func dispatchControl(_ handle: UInt64, _ request: inout Request) throws(Errno) {
    let flags: UInt32 = try request.body.number()
    let command: UInt32 = try request.body.number()
    let argument: UInt64 = try request.body.number()
    let inputSize: UInt32 = try request.body.number()
    let outputSize: UInt32 = try request.body.number()
    let input = try unsafe request.body.bytes(Int(inputSize))
    let control = ControlRequest(
      node: request.node, handle: handle, command: command, argument: argument,
      isDirectory: flags & 16 != 0, outputLimit: Int(outputSize))
    unsafe fileSystem.control(
      control, input.bytes, request.context, ControlReply(pending: reply(request)))
  }
}

extension OpenRequest {
  /// From `fuse_open_in`.
  fileprivate init(_ body: inout WireReader) throws(Errno) {
    let flags: UInt32 = try body.number()
    let openFlags: UInt32 = try body.number()
    self.init(
      flags: OpenFlags(rawValue: Int32(bitPattern: flags)), dropPrivileges: openFlags & 1 != 0)
  }
}

extension ReadRequest {
  /// From `fuse_read_in`, which READDIR has as well.
  fileprivate static func parse(
    _ node: NodeID, _ body: inout WireReader
  ) throws(Errno) -> (ReadRequest, limit: Int) {
    let handle: UInt64 = try body.number()
    let offset: Int64 = try body.number()
    let size: UInt32 = try body.number()
    let limit = min(Int(size), Session.largestTransfer)
    return (ReadRequest(node: node, handle: handle, offset: offset, count: limit), limit)
  }
}

// MARK: - Directories and extended attributes

extension Session {
  private func dispatchDirectories(_ opcode: Opcode, _ request: inout Request) throws(Errno) {
    let (node, context) = (request.node, request.context)
    switch opcode {
    case .openDirectory:
      let open = try OpenRequest(&request.body)
      fileSystem.openDirectory(node, open, context, OpenReply(pending: reply(request)))
    case .readDirectory:
      let (read, limit) = try ReadRequest.parse(node, &request.body)
      fileSystem.readDirectory(
        node, handle: read.handle, after: UInt64(bitPattern: read.offset), context,
        DirectoryReply(pending: reply(request), size: limit))
    case .readDirectoryPlus:
      let (read, limit) = try ReadRequest.parse(node, &request.body)
      fileSystem.readDirectoryPlus(
        node, handle: read.handle, after: UInt64(bitPattern: read.offset), context,
        DirectoryPlusReply(pending: reply(request), size: limit))
    case .releaseDirectory:
      let handle: UInt64 = try request.body.number()
      fileSystem.releaseDirectory(
        node, handle: handle, context, EmptyReply(pending: reply(request)))
    case .syncDirectory:
      let handle: UInt64 = try request.body.number()
      let flags: UInt32 = try request.body.number()
      fileSystem.syncDirectory(
        node, handle: handle, dataOnly: flags & 1 != 0, context,
        EmptyReply(pending: reply(request)))
    default: throw .noFunction
    }
  }

  private func dispatchXattrs(_ opcode: Opcode, _ request: inout Request) throws(Errno) {
    let (node, context) = (request.node, request.context)
    switch opcode {
    case .setXattr:
      let size: UInt32 = try request.body.number()
      let flags: Int32 = try request.body.number()
      var dropSetGroupID = false
      if capabilities.contains(.extendedSetXattr) {
        dropSetGroupID = try request.body.number(UInt32.self) & 1 != 0
        try request.body.skip(4)
      }
      let name = try request.body.text()
      let value = try request.body.array(Int(size))
      guard let setting = XattrSetting(rawValue: flags) else { throw .invalidArgument }
      fileSystem.setXattr(
        name, of: node, value, setting, dropSetGroupID: dropSetGroupID, context,
        EmptyReply(pending: reply(request)))
    case .getXattr, .listXattr:
      let size: UInt32 = try request.body.number()
      try request.body.skip(4)
      let name = opcode == .getXattr ? try request.body.text() : ""
      let reply = XattrReply(pending: reply(request), size: Int(size))
      if opcode == .getXattr {
        fileSystem.xattr(name, of: node, context, reply)
      } else {
        fileSystem.xattrNames(of: node, context, reply)
      }
    case .removeXattr:
      let name = try request.body.text()
      fileSystem.removeXattr(name, of: node, context, EmptyReply(pending: reply(request)))
    default: throw .noFunction
    }
  }
}
