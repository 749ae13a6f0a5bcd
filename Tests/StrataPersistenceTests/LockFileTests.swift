import StrataModel
import StrataPersistence
import StrataSystem
import StrataTestSupport
import Synchronization
import Testing

@Suite struct LockFileTests {
  private let scratch: ScratchDirectory

  init() throws { scratch = try ScratchDirectory("lock") }

  @Test("The file and its directory are made with the peer's modes and nothing in it")
  func made() throws {
    let path = scratch.path("deep/er/layers.lock")
    let hold = try LockFile.open(path).shared()
    #expect(try hold.lastWriter().bytes.isEmpty)
    #expect(try scratch.directory.status(of: "deep/er").permissions == 0o700)
    #expect(try scratch.directory.status(of: "deep/er/layers.lock").permissions == 0o644)
  }

  @Test("A token has 64 bytes in the peer's layout and is never the same")
  func tokens() throws {
    let lock = try LockFile.open(scratch.path("l"))
    let hold = try lock.exclusive()
    let first = try hold.recordWrite()
    let second = try hold.recordWrite()
    #expect(first != second)
    #expect(first.bytes.count == 64)
    #expect(try scratch.read("l") == second.bytes)
    #expect(try hold.lastWriter() == second)
    func number(_ range: Range<Int>) -> UInt64 {
      second.bytes[range].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    let age = UInt64(FileTime.now.seconds) - number(0..<8) / 1_000_000_000
    #expect(age < 60)
    #expect(number(8..<16) > 0 && number(8..<16) < 1_000_000)
    #expect(number(16..<20) > 1)
  }

  @Test("Two paths of one file are one lock, and no lock outlives its path")
  func identity() throws {
    let lock = try LockFile.open(scratch.path("l"))
    try scratch.directory.makeSymlink("other", to: "l")
    #expect(try LockFile.open(scratch.path("other")) === lock)
    #expect(try LockFile.open(scratch.path("./l"), readOnly: true) === lock)
    // The new file is likely to get the inode of the old one.
    try scratch.directory.unlink("other")
    try scratch.directory.unlink("l")
    let next = try LockFile.open(scratch.path("m"))
    #expect(next.path == scratch.path("m"))
    _ = try next.shared()
  }

  @Test("A thread that would wait for itself is told so; readers share")
  func selfDeadlock() throws {
    let lock = try LockFile.open(scratch.path("l"))
    do {
      let first = try lock.shared()
      let second = try lock.shared()
      #expect(throws: StoreError.self) { _ = try lock.exclusive() }
      _ = try first.lastWriter()
      _ = try second.lastWriter()
    }
    let hold = try lock.exclusive()
    #expect(throws: StoreError.self) { _ = try lock.shared() }
    _ = try hold.lastWriter()
  }

  @Test("A read-only lock takes no exclusive hold and writes nothing")
  func readOnly() throws {
    try scratch.write("l", "")
    let lock = try LockFile.open(scratch.path("l"), readOnly: true)
    _ = try lock.shared()
    #expect {
      _ = try lock.exclusive()
    } throws: {
      ($0 as? StoreError)?.code == .storeIsReadOnly
    }
  }

  @Test("tryExclusive gives nil while another open file holds the lock")
  func tryLock() throws {
    let lock = try LockFile.open(scratch.path("l"))
    let other = try scratch.directory.open("l", .readWrite)
    try other.view.lock(.shared)
    do {
      let refused = try lock.tryExclusive() == nil
      #expect(refused)
    }
    try other.view.unlock()
    let taken = try lock.tryExclusive() != nil
    #expect(taken)
  }

  @Test("Threads exclude each other, and what they count is whole")
  func threads() async throws {
    let lock = try LockFile.open(scratch.path("l"))
    try scratch.write("count", "0")
    let scratch = self.scratch
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        group.addTask {
          for _ in 0..<50 {
            let hold = try lock.exclusive()
            let count = Int(try scratch.text("count")) ?? 0
            try scratch.write("count", String(count + 1))
            _ = try hold.recordWrite()
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try scratch.text("count") == "200")
  }
}
