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

/// What the reader's pace depends on, of a request that was read and not yet parsed.
struct RequestGlance {
  /// The thread that asks; 0 where it is hidden, and in requests that nobody waits for.
  let client: UInt32
  /// It carries, or asks for, more than a few pages of data.
  let isLarge: Bool

  private static let largeSize: UInt32 = 16 << 10

  /// `count` bytes were read into `memory`; the rest is of no meaning.
  init(_ memory: UnsafeMutableRawBufferPointer, count: Int) {
    func number(at offset: Int) -> UInt32 {
      guard offset + 4 <= count else { return 0 }
      return unsafe memory.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
    }
    client = number(at: 32)
    // The size in `fuse_read_in` lies behind handle and offset.
    let isRead = number(at: 4) == Opcode.read.rawValue
    isLarge = count > Int(Self.largeSize) || (isRead && number(at: 56) > Self.largeSize)
  }
}
