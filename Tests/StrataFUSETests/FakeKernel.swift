import StrataFUSE
import StrataSystem

/// The other end of a session: writes requests and reads replies as the kernel would, with no mount.
final class FakeKernel: Sendable {
  private let kernelEnd: SharedDescriptor
  private let daemonEnd: SharedDescriptor
  /// What the session answered to INIT.
  let initReply: Reply

  /// A reply: the error of its header, and the bytes behind the header.
  struct Reply: Equatable {
    var error: Int32
    var unique: UInt64
    var body: [UInt8]

    func number<Number: FixedWidthInteger>(at offset: Int, _ type: Number.Type) -> Number {
      littleEndian(body[offset..<(offset + MemoryLayout<Number>.size)])
    }
  }

  /// Starts a session on a thread of its own, after INIT with these flags.
  init(
    _ fileSystem: any FileSystem, offered: Capabilities = Capabilities(rawValue: UInt64.max),
    minor: UInt32 = 45, journal: RequestJournal? = nil
  ) throws(Errno) {
    let (kernelEnd, daemonEnd) = try packetSocketPair()
    self.kernelEnd = kernelEnd
    self.daemonEnd = daemonEnd
    // The session reads INIT while it is made: it lies in the socket by then.
    let flags = offered.rawValue
    let body =
      bytes(UInt32(7), minor, UInt32(1 << 20), UInt32(truncatingIfNeeded: flags))
      + bytes(UInt32(truncatingIfNeeded: flags >> 32)) + [UInt8](repeating: 0, count: 44)
    try kernelEnd.view.writeAll(Self.request(26, node: 0, unique: 1, body))
    let session = try Session(fileSystem, device: daemonEnd, journal: journal)
    initReply = try Self.receive(kernelEnd)
    try startDetachedThread { try? session.serve() }
  }

  /// Starts one more session on the device, as another process would that has this journal.
  func serve(_ fileSystem: any FileSystem, _ journal: RequestJournal) throws(Errno) -> Session {
    let session = try Session(fileSystem, device: daemonEnd, journal: journal)
    try startDetachedThread { try? session.serve() }
    return session
  }

  /// The next reply, whatever it answers.
  func nextReply() throws(Errno) -> Reply { try Self.receive(kernelEnd) }

  /// Sends a request and returns its reply.
  func ask(_ opcode: UInt32, node: UInt64 = 1, unique: UInt64 = 7, _ body: [UInt8] = [])
    throws(Errno) -> Reply
  {
    try tell(opcode, node: node, unique: unique, body)
    return try Self.receive(kernelEnd)
  }

  /// Sends a request that has no reply.
  func tell(_ opcode: UInt32, node: UInt64 = 1, unique: UInt64 = 7, _ body: [UInt8] = [])
    throws(Errno)
  {
    try kernelEnd.view.writeAll(Self.request(opcode, node: node, unique: unique, body))
  }

  /// Sends bytes that need not be a request.
  func send(raw: [UInt8]) throws(Errno) { try kernelEnd.view.writeAll(raw) }

  private static func request(
    _ opcode: UInt32, node: UInt64, unique: UInt64, _ body: [UInt8]
  ) -> [UInt8] {
    bytes(UInt32(40 + body.count), opcode) + bytes(unique, node)
      + bytes(UInt32(11), UInt32(12), UInt32(13), UInt32(0)) + body
  }

  private static func receive(_ end: SharedDescriptor) throws(Errno) -> Reply {
    let buffer = ByteBuffer(capacity: 200_000)
    try buffer.fill { (span: inout MutableRawSpan) throws(Errno) -> Int in
      try end.view.read(into: &span)
    }
    let count = buffer.count
    let message = buffer.withBytes { bytes in (0..<count).map { bytes.byte(at: $0) } }
    guard count >= 16 else { throw .inputOutputError }
    let head = message[..<16]
    guard littleEndian(head[..<4], as: UInt32.self) == UInt32(count) else {
      throw .inputOutputError
    }
    return Reply(
      error: littleEndian(head[4..<8]), unique: littleEndian(head[8..<16]),
      body: Array(message[16..<count]))
  }
}

/// The numbers one after the other, in the machine's order.
func bytes<each Number: FixedWidthInteger>(_ numbers: repeat each Number) -> [UInt8] {
  var result: [UInt8] = []
  func add<Value: FixedWidthInteger>(_ value: Value) {
    for shift in 0..<MemoryLayout<Value>.size {
      result.append(UInt8(truncatingIfNeeded: value >> (8 * shift)))
    }
  }
  repeat add(each numbers)
  return result
}

/// Text closed by a NUL.
func text(_ string: String) -> [UInt8] { Array(string.utf8) + [0] }

private func littleEndian<Number: FixedWidthInteger>(
  _ bytes: ArraySlice<UInt8>, as type: Number.Type = Number.self
) -> Number {
  bytes.reversed().reduce(Number(0)) { ($0 << 8) | Number(truncatingIfNeeded: $1) }
}
