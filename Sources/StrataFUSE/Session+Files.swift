import StrataSystem

/// Requests about files and their contents.
extension Session {
  func dispatchFiles(_ opcode: Opcode, _ request: inout Request) throws(Errno) {
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

  func dispatchRanges(_ opcode: Opcode, _ request: inout Request) throws(Errno) {
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
  init(_ body: inout WireReader) throws(Errno) {
    let flags: UInt32 = try body.number()
    let openFlags: UInt32 = try body.number()
    self.init(
      flags: OpenFlags(rawValue: Int32(bitPattern: flags)), dropPrivileges: openFlags & 1 != 0)
  }
}

extension ReadRequest {
  /// From `fuse_read_in`, which READDIR has as well.
  static func parse(
    _ node: NodeID, _ body: inout WireReader
  ) throws(Errno) -> (ReadRequest, limit: Int) {
    let handle: UInt64 = try body.number()
    let offset: Int64 = try body.number()
    let size: UInt32 = try body.number()
    let limit = min(Int(size), Session.largestTransfer)
    return (ReadRequest(node: node, handle: handle, offset: offset, count: limit), limit)
  }
}
