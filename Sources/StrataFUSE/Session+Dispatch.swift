import StrataSystem

/// From the wire to the protocol's methods.
///
/// Each branch reads its whole body first and makes the reply last: what throws here has not been
/// answered.
extension Session {
  func dispatch(_ request: inout Request) throws(Errno) {
    guard let opcode = Opcode(rawValue: request.opcode) else { throw .noFunction }
    switch opcode {
    case .lookup, .getAttributes, .extendedAttributes, .setAttributes, .readLink, .statfs, .access,
      .syncFileSystem:
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

  func reply(_ request: Request) -> PendingReply {
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
