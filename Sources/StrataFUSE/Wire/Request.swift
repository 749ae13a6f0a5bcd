import StrataSystem

/// One request as read from the device: its header, and a reader that stands at its body.
struct Request {
  /// The size of `fuse_in_header`.
  static let headerSize = 40

  let opcode: UInt32
  let node: NodeID
  let context: RequestContext
  var body: WireReader

  /// Throws EIO for what is no request at all.
  init(_ memory: UnsafeRawBufferPointer) throws(Errno) {
    var reader = unsafe WireReader(memory)
    let length: UInt32 = try reader.number()
    guard Int(length) == memory.count else { throw .inputOutputError }
    opcode = try reader.number()
    let unique: UInt64 = try reader.number()
    node = NodeID(rawValue: try reader.number())
    let uid: UInt32 = try reader.number()
    let gid: UInt32 = try reader.number()
    let pid: UInt32 = try reader.number()
    // Extensions lie behind the body (length in words of 8 bytes); none is asked for.
    try reader.skip(4)
    context = RequestContext(unique: unique, uid: uid, gid: gid, pid: pid)
    body = reader
  }
}
