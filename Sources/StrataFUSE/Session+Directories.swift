import StrataSystem

/// Requests about listings and extended attributes.
extension Session {
  func dispatchDirectories(_ opcode: Opcode, _ request: inout Request) throws(Errno) {
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

  func dispatchXattrs(_ opcode: Opcode, _ request: inout Request) throws(Errno) {
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
      let setting = XattrSetting(rawValue: flags)
      guard setting.isSubset(of: [.create, .replace]) else { throw .invalidArgument }
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
