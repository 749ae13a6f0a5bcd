import StrataFUSE
import StrataSystem
import Synchronization
import Testing

/// Answers a lookup with its own number as the node, or keeps it; can be stuck in GETATTR, as a process
/// is that dies there.
private final class Worker: FileSystem {
  let number: UInt64
  let keeps: Bool
  let sticks: Bool
  let kept = Mutex<[DeferredReply<EntryReply>]>([])
  let asked = Atomic<Int>(0)
  private let gate = WaitingRoom(false)

  init(_ number: UInt64, keeps: Bool = false, sticks: Bool = false) {
    self.number = number
    self.keeps = keeps
    self.sticks = sticks
  }

  /// Lets the thread go that is stuck.
  func free() { gate.change { $0 = true } }

  func negotiate(_ connection: inout Negotiation) {
    connection.maxWrite = 4096
    connection.maxBackground = UInt16(number)
    if number > 1 { connection.wanted = [] }
  }

  func lookup(
    _ name: RawPath, in parent: NodeID, _ context: RequestContext, _ reply: consuming EntryReply
  ) {
    asked.add(1, ordering: .relaxed)
    if keeps {
      let reply = DeferredReply(reply)
      kept.withLock { $0.append(reply) }
      return
    }
    reply.send(Entry(NodeID(rawValue: number), Attributes(inode: 1, mode: 0o100644)))
  }

  func attributes(
    of node: NodeID, handle: UInt64?, _ context: RequestContext,
    _ reply: consuming AttributesReply
  ) {
    asked.add(1, ordering: .relaxed)
    if sticks {
      _ = gate.wait { $0 ? true : nil }
      return reply.fail(.interrupted)
    }
    reply.send(Attributes(inode: number, mode: 0o100644))
  }
}

@Suite("The journal of requests", .timeLimit(.minutes(1)))
struct RequestJournalTests {
  private let file: SharedDescriptor

  init() throws {
    file = SharedDescriptor(try SharedMemory.make("journal", size: RequestJournal.size))
    RequestJournal.prepare(try memory(), generation: 77)
  }

  private func memory() throws -> SharedMemory {
    try SharedMemory(file.view, size: RequestJournal.size)
  }

  private func journal() throws -> RequestJournal { try RequestJournal(try memory()) }

  private let getAttributes = bytes(UInt64(0), UInt64(0))

  private func wait(for condition: () -> Bool) {
    for _ in 0..<2000 where !condition() { pause(milliseconds: 1) }
  }

  @Test("requests go through it and leave nothing")
  func passesRequests() throws {
    let journal = try journal()
    #expect(journal.generation == 77)
    #expect(!RequestJournal.isServing(try memory()))
    let kernel = try FakeKernel(Worker(1), journal: journal)
    #expect(RequestJournal.isServing(try memory()))
    for unique in UInt64(2)..<500 {
      let reply = try kernel.ask(1, unique: unique * 2, text("name"))
      #expect(reply.unique == unique * 2)
      // FORGET and an INTERRUPT have no answer, and nothing that can be read is no request.
      try kernel.tell(2, unique: unique * 2 + 1, bytes(UInt64(1)))
    }
    try kernel.send(raw: [UInt8](repeating: 7, count: 100))
    #expect(try kernel.ask(3, unique: 5000, getAttributes).error == 0)
    // The slot is given back a moment after the answer was sent.
    wait { journal.waitingCount == 0 }
    #expect(journal.waitingCount == 0)
  }

  @Test("another process answers what one has taken, and its INIT")
  func answersWhatWasLeft() throws {
    let first = Worker(1, keeps: true, sticks: true)
    defer { first.free() }
    let taken = try journal()
    let kernel = try FakeKernel(first, journal: taken)
    try kernel.tell(1, unique: 100, text("a"))
    try kernel.tell(1, unique: 90, text("b"))
    try kernel.tell(3, unique: 110, getAttributes)
    wait { first.asked.load(ordering: .relaxed) == 3 }
    #expect(taken.waitingCount == 3)
    // The first one is stuck now, as good as dead.
    let second = Worker(2)
    let session = try kernel.serve(second, try journal())
    // Oldest first, each once.
    #expect(try (0..<3).map { _ in try kernel.nextReply().unique } == [90, 100, 110])
    // What was agreed on stays, whatever the second would want.
    #expect(session.capabilities.contains(.bigWrites))
    #expect(kernel.initReply.number(at: 16, UInt16.self) == 1)
    let reply = try kernel.ask(1, unique: 200, text("c"))
    #expect(reply.number(at: 0, UInt64.self) == 2)
  }

  @Test("a request that two processes have died of is an error, the others go on")
  func givesUpWhatKills() throws {
    var workers: [Worker] = [Worker(1, keeps: true, sticks: true)]
    defer { for worker in workers { worker.free() } }
    let kernel = try FakeKernel(workers[0], journal: try journal())
    try kernel.tell(1, unique: 10, text("innocent"))
    try kernel.tell(3, unique: 12, getAttributes)
    wait { workers[0].asked.load(ordering: .relaxed) == 2 }
    let second = Worker(2, keeps: true, sticks: true)
    workers.append(second)
    _ = try kernel.serve(second, try journal())
    wait { second.asked.load(ordering: .relaxed) == 2 }
    let third = Worker(3, sticks: true)
    workers.append(third)
    _ = try kernel.serve(third, try journal())
    let innocent = try kernel.nextReply()
    #expect(innocent.unique == 10)
    #expect(innocent.number(at: 0, UInt64.self) == 3)
    let deadly = try kernel.nextReply()
    #expect(deadly.unique == 12)
    #expect(deadly.error == -Errno.inputOutputError.rawValue)
  }

  @Test("a full journal makes requests wait and loses none")
  func waitsWhenFull() throws {
    let worker = Worker(1, keeps: true)
    let journal = try journal()
    let kernel = try FakeKernel(worker, journal: journal)
    let count = RequestJournal.capacity
    for number in 0..<count { try kernel.tell(1, unique: UInt64(number) * 2 + 2, text("x")) }
    wait { journal.waitingCount == count }
    try kernel.tell(1, unique: 1 << 20, text("late"))
    pause(milliseconds: 20)
    #expect(worker.asked.load(ordering: .relaxed) == count)
    let one = worker.kept.withLock { $0.removeFirst() }
    one.take()?.fail(.noSuchFileOrDirectory)
    #expect(try kernel.nextReply().unique == 2)
    wait { worker.asked.load(ordering: .relaxed) == count + 1 }
    #expect(worker.asked.load(ordering: .relaxed) == count + 1)
    let rest = worker.kept.withLock { replies in
      defer { replies = [] }
      return replies
    }
    for reply in rest {
      reply.take()?.fail(.noSuchFileOrDirectory)
      _ = try kernel.nextReply()
    }
    #expect(journal.waitingCount == 0)
  }

  @Test("memory that is laid out otherwise is refused")
  func refusesOthers() throws {
    let memory = try memory()
    memory[0] = 1
    #expect(throws: Errno.protocolError) { try RequestJournal(memory) }
    let short = SharedDescriptor(try SharedMemory.make("short", size: 4096))
    #expect(throws: Errno.protocolError) {
      try SharedMemory(short.view, size: RequestJournal.size)
    }
  }

  @Test("slots that hold no request are free")
  func ignoresDamage() throws {
    let memory = try memory()
    // A length below a header's, and one above a slot's.
    memory[16384] = 12
    memory[16384 + 8192] = 1 << 20
    let kernel = try FakeKernel(Worker(1), journal: try RequestJournal(memory))
    #expect(try kernel.ask(1, unique: 2, text("name")).error == 0)
    wait { memory[16384] == 0 && memory[16384 + 8192] == 0 }
    #expect(memory[16384] == 0 && memory[16384 + 8192] == 0)
  }
}
