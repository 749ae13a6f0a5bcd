import StrataFUSE
import StrataSystem
import Synchronization
import Testing

/// Remembers what it was asked and answers little.
private final class Recorder: FileSystem {
  let changes = Mutex<[AttributeChanges]>([])
  let forgotten = Mutex<[UInt64: UInt64]>([:])
  let written = Mutex<[UInt8]>([])
  let creations = Mutex<[(RawPath, UInt32, UInt32)]>([])

  func lookup(
    _ name: RawPath, in parent: NodeID, _ context: RequestContext, _ reply: consuming EntryReply
  ) {
    // Dropped unanswered on purpose.
    if name == "forgotten" { return }
    if name == "absent" { return _ = reply.send(.absent(.forever)) }
    reply.answer { () throws(Errno) in
      if name == "refused" { throw .permissionDenied }
      return Entry(NodeID(rawValue: 5), Attributes(inode: 77, mode: 0o100644, size: 1234))
    }
  }

  func forget(_ node: NodeID, count: UInt64) {
    forgotten.withLock { $0[node.rawValue, default: 0] += count }
  }

  func setAttributes(
    of node: NodeID, _ changes: AttributeChanges, _ context: RequestContext,
    _ reply: consuming AttributesReply
  ) {
    self.changes.withLock { $0.append(changes) }
    reply.send(Attributes(inode: 1, mode: 0o100644))
  }

  func create(
    _ name: RawPath, in parent: NodeID, mode: UInt32, _ request: OpenRequest,
    _ context: RequestContext, _ reply: consuming CreateReply
  ) {
    creations.withLock { $0.append((name, mode, context.umask)) }
    reply.send(
      Entry(NodeID(rawValue: 6), Attributes(inode: 78, mode: 0o100600)),
      OpenResult(handle: 99, modes: [.keepCache]))
  }

  func write(
    _ request: WriteRequest, _ data: RawSpan, _ context: RequestContext,
    _ reply: consuming CountReply
  ) {
    written.withLock { kept in
      for index in 0..<data.byteCount {
        kept.append(data.byte(at: index))
      }
    }
    reply.send(data.byteCount)
  }

  func xattr(
    _ name: RawPath, of node: NodeID, _ context: RequestContext, _ reply: consuming XattrReply
  ) { reply.send([1, 2, 3, 4]) }

  func readDirectory(
    _ node: NodeID, handle: UInt64, after offset: UInt64, _ context: RequestContext,
    _ reply: consuming DirectoryReply
  ) {
    var next = offset
    while reply.append("entry", inode: 9, type: .regular, next: next + 1) { next += 1 }
    reply.send()
  }
}

/// A request that the kernel never sends.
struct DamagedRequest: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let opcode: UInt32
  let body: [UInt8]

  init(_ description: String, _ opcode: UInt32, _ body: [UInt8]) {
    testDescription = description
    self.opcode = opcode
    self.body = body
  }

  static let all: [DamagedRequest] = [
    DamagedRequest("LOOKUP of a path", 1, text("a/b")),
    DamagedRequest("LOOKUP of ..", 1, text("..")),
    DamagedRequest("LOOKUP of .", 1, text(".")),
    DamagedRequest("LOOKUP of an empty name", 1, text("")),
    DamagedRequest("LOOKUP without NUL", 1, [97]),
    DamagedRequest("LOOKUP without name", 1, []),
    DamagedRequest("SETATTR cut short", 4, [0, 0]),
    DamagedRequest("RENAME with one name", 12, bytes(UInt64(1)) + text("a")),
    DamagedRequest("READ without body", 15, []),
    DamagedRequest("WRITE cut in its head", 16, bytes(UInt64(0), UInt64(0), UInt32(9))),
    DamagedRequest(
      "WRITE that promises 4 GiB", 16,
      bytes(UInt64(0), UInt64(0), UInt32.max, UInt32(0), UInt64(0), UInt64(0)) + [1, 2]),
    DamagedRequest(
      "SETXATTR without value", 21, bytes(UInt32(9), UInt32(0), UInt64(0)) + text("n")),
    DamagedRequest("GETXATTR cut short", 22, bytes(UInt32(1))),
    DamagedRequest("CREATE cut short", 35, [1, 2, 3]),
    DamagedRequest("IOCTL without body", 39, []),
    DamagedRequest("FALLOCATE without body", 43, []),
    DamagedRequest("LSEEK without body", 46, []),
    DamagedRequest("COPY_FILE_RANGE without body", 47, []),
  ]
}

@Suite("The wire, with a socket for a kernel")
struct WireTests {
  private let recorder = Recorder()

  @Test("INIT: only what is offered, never AUTO_INVAL_DATA")
  func negotiates() throws {
    let all = try FakeKernel(recorder).initReply
    #expect(all.error == 0)
    #expect(all.body.count == 64)
    #expect(all.number(at: 0, UInt32.self) == 7)
    #expect(all.number(at: 4, UInt32.self) == 45)
    let flags = Capabilities(rawValue: UInt64(all.number(at: 12, UInt32.self)))
    #expect(flags.isSuperset(of: [.dontMask, .bigWrites, .readDirectoryPlus, .extendedInit]))
    #expect(flags.contains(.handleKillPrivilegesV2))
    #expect(flags.isDisjoint(with: [.autoInvalidateData, .writebackCache, .exportSupport]))
    #expect(all.number(at: 20, UInt32.self) == 1 << 20)
    #expect(all.number(at: 28, UInt16.self) == 256)

    let old = try FakeKernel(recorder, offered: [.bigWrites], minor: 31).initReply
    #expect(old.number(at: 4, UInt32.self) == 31)
    #expect(old.number(at: 12, UInt32.self) == UInt32(Capabilities.bigWrites.rawValue))
  }

  @Test("a kernel before 7.23 is refused")
  func refusesOldProtocols() throws {
    #expect(throws: Errno.protocolError) { try FakeKernel(recorder, minor: 22) }
  }

  @Test("an entry lies where the kernel looks for it")
  func laysOutEntries() throws {
    let kernel = try FakeKernel(recorder)
    let reply = try kernel.ask(1, unique: 42, text("file"))
    #expect((reply.error, reply.unique) == (0, 42))
    #expect(reply.body.count == 128)
    #expect(reply.number(at: 0, UInt64.self) == 5)
    #expect(reply.number(at: 16, UInt64.self) == 1_000_000_000)
    // The attributes: inode, size, and mode behind three times.
    #expect(reply.number(at: 40, UInt64.self) == 77)
    #expect(reply.number(at: 48, UInt64.self) == 1234)
    #expect(reply.number(at: 100, UInt32.self) == 0o100644)
    let absent = try kernel.ask(1, text("absent"))
    #expect((absent.error, absent.number(at: 0, UInt64.self)) == (0, 0))
  }

  @Test("errors are negative, and a reply that is dropped is EIO")
  func answersErrors() throws {
    let kernel = try FakeKernel(recorder)
    #expect(try kernel.ask(1, text("refused")).error == -13)
    #expect(try kernel.ask(1, text("forgotten")).error == -5)
    // An operation with no answer of ours, and one that nobody knows.
    #expect(try kernel.ask(5).error == -38)
    #expect(try kernel.ask(4000).error == -38)
  }

  @Test("names that lead away and requests cut short are EIO", arguments: DamagedRequest.all)
  func refusesDamagedRequests(request: DamagedRequest) throws {
    let kernel = try FakeKernel(recorder)
    #expect(try kernel.ask(request.opcode, request.body).error == -5)
    // And the session lives on.
    #expect(try kernel.ask(1, text("file")).error == 0)
  }

  @Test("bytes that are no request are passed over")
  func passesOverNonsense() throws {
    let kernel = try FakeKernel(recorder)
    try kernel.send(raw: [1, 2, 3])
    try kernel.send(raw: [UInt8](repeating: 255, count: 64))
    #expect(try kernel.ask(1, text("file")).error == 0)
  }

  @Test("SETATTR: values, now, and the request that names no change")
  func readsAttributeChanges() throws {
    let kernel = try FakeKernel(recorder)
    func setAttributes(_ valid: UInt32) throws {
      let head = bytes(valid, UInt32(0), UInt64(3), UInt64(500), UInt64(0))
      let times = bytes(Int64(-1), Int64(20), Int64(0), UInt32(5), UInt32(6), UInt32(0))
      let rest = bytes(UInt32(0o100640), UInt32(0), UInt32(8), UInt32(9), UInt32(0))
      #expect(try kernel.ask(4, head + times + rest).body.count == 104)
    }
    try setAttributes(0b111_1111)
    try setAttributes(1 << 4 | 1 << 7)
    try setAttributes(0)
    try setAttributes(1 << 6)
    try setAttributes(1 << 3 | 1 << 11)
    let changes = recorder.changes.withLock { $0 }
    #expect(changes[0].mode == 0o640)
    #expect((changes[0].uid, changes[0].gid) == (8, 9))
    #expect((changes[0].size, changes[0].handle) == (500, 3))
    guard case .to(let time) = changes[0].accessTime else { throw Errno.invalidArgument }
    #expect(time == FileTime(seconds: -1, nanoseconds: 5))
    guard case .now = changes[1].accessTime else { throw Errno.invalidArgument }
    #expect(changes.map(\.dropPrivileges) == [false, false, true, true, true])
    #expect(changes[2].size == nil)
  }

  @Test("CREATE carries mode, umask and name, and answers with the open behind the entry")
  func creates() throws {
    let kernel = try FakeKernel(recorder)
    let reply = try kernel.ask(
      35, bytes(UInt32(1), UInt32(0o100666), UInt32(0o027), UInt32(0)) + text("new"))
    #expect(reply.body.count == 144)
    #expect(reply.number(at: 128, UInt64.self) == 99)
    #expect(reply.number(at: 136, UInt32.self) == 2)
    let made = recorder.creations.withLock { $0[0] }
    #expect(made == ("new", 0o666, 0o027))
  }

  @Test("WRITE hands the bytes over where they lie")
  func writes() throws {
    let kernel = try FakeKernel(recorder)
    let head = bytes(UInt64(1), UInt64(0), UInt32(5), UInt32(0), UInt64(0), UInt64(0))
    let reply = try kernel.ask(16, head + Array("hello".utf8))
    #expect(reply.number(at: 0, UInt32.self) == 5)
    #expect(recorder.written.withLock { $0 } == Array("hello".utf8))
  }

  @Test("GETXATTR: the size alone, the value, and ERANGE")
  func answersXattrs() throws {
    let kernel = try FakeKernel(recorder)
    func ask(_ size: UInt32) throws -> FakeKernel.Reply {
      try kernel.ask(22, bytes(size, UInt32(0)) + text("user.x"))
    }
    #expect(try ask(0).number(at: 0, UInt32.self) == 4)
    #expect(try ask(4).body == [1, 2, 3, 4])
    #expect(try ask(3).error == -34)
  }

  @Test("a listing is cut at whole records")
  func cutsListings() throws {
    let kernel = try FakeKernel(recorder)
    let body = bytes(UInt64(0), UInt64(10), UInt32(100), UInt32(0), UInt64(0), UInt64(0))
    let reply = try kernel.ask(28, body)
    // 24 bytes and a name of 5 padded to 8: three of them in 100 bytes.
    #expect(reply.body.count == 96)
    #expect(reply.number(at: 8, UInt64.self) == 11)
    #expect(reply.number(at: 64 + 8, UInt64.self) == 13)
  }

  @Test("FORGET and BATCH_FORGET add up and have no reply")
  func forgets() throws {
    let kernel = try FakeKernel(recorder)
    try kernel.tell(2, node: 5, bytes(UInt64(3)))
    try kernel.tell(42, bytes(UInt32(2), UInt32(0), UInt64(5), UInt64(1), UInt64(6), UInt64(2)))
    #expect(try kernel.ask(1, text("file")).error == 0)
    #expect(recorder.forgotten.withLock { $0 } == [5: 4, 6: 2])
  }
}
