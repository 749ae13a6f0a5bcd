import StrataJSON
import StrataModel
import StrataPersistence
import StrataSystem
import Synchronization

/// The lock files of a store: one, or two where a separate image store keeps a part of the layers
/// (storage-format 3.5: the graph root's first).
struct LockPair: Sendable {
  var first: LockFile
  var second: LockFile?

  func shared() throws(StoreError) -> ReadHolds {
    let hold = try first.shared()
    guard let second else { return ReadHolds(first: hold, second: nil) }
    return ReadHolds(first: hold, second: try second.shared())
  }

  func exclusive() throws(StoreError) -> WriteHolds {
    let hold = try first.exclusive()
    guard let second else { return WriteHolds(first: hold, second: nil) }
    return WriteHolds(first: hold, second: try second.exclusive())
  }
}

/// Shared holds of a store's locks.
struct ReadHolds: ~Copyable {
  let first: ReadHold
  let second: ReadHold?

  func tokens() throws(StoreError) -> [LastWriter] {
    let token = try first.lastWriter()
    if second == nil { return [token] }
    return [token, try second?.lastWriter() ?? token]
  }

  /// Ends the holds here, and so keeps them until here.
  consuming func end() {}
}

/// Exclusive holds of a store's locks.
struct WriteHolds: ~Copyable {
  let first: WriteHold
  let second: WriteHold?

  func tokens() throws(StoreError) -> [LastWriter] {
    let token = try first.lastWriter()
    if second == nil { return [token] }
    return [token, try second?.lastWriter() ?? token]
  }

  func recordWrite() throws(StoreError) -> [LastWriter] {
    let token = try first.recordWrite()
    if second == nil { return [token] }
    return [token, try second?.recordWrite() ?? token]
  }

  /// Ends the holds here, and so keeps them until here.
  consuming func end() {}
}

/// What makes one kind of record store differ from another.
struct RecordStoreRules<Record: NamedRecord>: Sendable {
  /// How often a reader lets the store be repaired before it gives up.
  var repairAttempts: Int
  /// How its error begins then.
  var attemptsPrefix: String
  /// For names that two records of a read-only store have.
  var duplicateNames: StoreError
  /// Names what a load has found that only a holder of the write lock may mend; nil if nothing.
  var problem: @Sendable (RecordTable<Record>) -> StoreError?
  /// Mends it in the table, which is saved afterwards; what could not be mended is the error that is
  /// thrown once the rest is saved.
  var repair: @Sendable (inout RecordTable<Record>) -> StoreError?
}

/// The two doors to the records of one kind: nothing else touches them.
///
/// A reader gets the table as of the last save by anyone, a value that stays as it is. A writer gets it
/// with the right to change and save it. The token is read before the files and remembered only after
/// they were loaded; times of the files are compared too, which notices versions up to 1.46, whose
/// token follows the file (storage-format 3.6, 3.10).
///
/// `memory` is never locked during a system call. Two readers that find the files changed may both
/// load them; both hold the shared lock, so they load the same.
final class RecordStore<Record: NamedRecord>: Sendable {
  struct Memory: Sendable {
    var table: RecordTable<Record>
    /// Of before the load; nil if nothing was loaded yet.
    var tokens: [LastWriter]?
  }

  let locks: LockPair
  let isReadOnly: Bool
  let files: [RecordFile]
  private let rules: RecordStoreRules<Record>
  private let memory: Mutex<Memory>

  init(
    locks: LockPair, files: [RecordFile], isReadOnly: Bool, rules: RecordStoreRules<Record>
  ) {
    self.locks = locks
    self.files = files
    self.isReadOnly = isReadOnly
    self.rules = rules
    memory = Mutex(Memory(table: RecordTable(files: files), tokens: nil))
  }

  /// Runs `body` with the records under the shared lock.
  func reading<Result: ~Copyable>(
    _ body: (RecordTable<Record>) throws(StoreError) -> Result
  ) throws(StoreError) -> Result {
    var attempts = 0
    while true {
      let holds = try locks.shared()
      let (table, problem) = try current(try holds.tokens())
      guard let problem, !isReadOnly else {
        let result = try body(table)
        holds.end()
        return result
      }
      holds.end()
      if attempts >= rules.repairAttempts { throw problem.wrapped(rules.attemptsPrefix) }
      attempts += 1
      // Whoever comes first mends it: opening the door for writing is all that it takes.
      let writer = try openForWriting()
      writer.end()
    }
  }

  /// The right to change records, with the exclusive lock and what others left half-made mended.
  ///
  /// The caller saves before it ends the writer; what is dropped unsaved has never happened.
  func openForWriting() throws(StoreError) -> RecordWriter<Record> {
    let holds = try locks.exclusive()
    let (table, problem) = try current(try holds.tokens())
    var writer = RecordWriter(store: self, holds: holds, table: table)
    if problem != nil {
      let failure = rules.repair(&writer.table)
      try writer.save()
      if let failure { throw failure }
    }
    return writer
  }

  /// The table of the tokens' state, loaded if it is not the one in memory.
  private func current(_ tokens: [LastWriter]) throws(StoreError) -> (
    RecordTable<Record>, StoreError?
  ) {
    let known = memory.withLock { $0 }
    if known.tokens == tokens, try !known.table.isStale() { return (known.table, nil) }
    let table = try RecordTable<Record>.load(files: files)
    if isReadOnly, table.duplicateNameCount > 0 { throw rules.duplicateNames }
    if let problem = rules.problem(table) { return (table, problem) }
    remember(table, tokens)
    return (table, nil)
  }

  /// The first of the files that outlive a reboot which is there and has nothing in it, not even `[]`.
  func emptyFile() throws(StoreError) -> RawPath? {
    for file in files where file.synchronizes {
      do throws(Errno) {
        let status = try FileDescriptor.workingDirectory.status(of: file.path, follow: true)
        if status.size == 0 { return file.path }
      } catch {
        if error != .noSuchFileOrDirectory { throw StoreError(error, "stat \(file.path)") }
      }
    }
    return nil
  }

  /// Keeps a table that is what the files hold.
  func remember(_ table: RecordTable<Record>, _ tokens: [LastWriter]) {
    memory.withLock { $0 = Memory(table: table, tokens: tokens) }
  }
}

/// The right to change records, for as long as the exclusive lock is held.
struct RecordWriter<Record: NamedRecord>: ~Copyable {
  let store: RecordStore<Record>
  private let holds: WriteHolds
  /// The records with all changes so far.
  var table: RecordTable<Record>

  init(
    store: RecordStore<Record>, holds: consuming WriteHolds, table: RecordTable<Record>
  ) {
    self.store = store
    self.holds = holds
    self.table = table
  }

  /// Writes the token and then the files that have changed; nothing if none has.
  mutating func save() throws(StoreError) {
    guard table.isChanged else { return }
    let tokens = try holds.recordWrite()
    try table.save()
    store.remember(table, tokens)
  }

  /// Ends the hold here, and so keeps it until here.
  consuming func end() { holds.end() }

  /// A new record; its names without repetitions.
  ///
  /// Errors: `.duplicateID`, `.duplicateName`: at creation no name is taken from anybody.
  mutating func insert(_ record: Record, toFile file: Int) throws(StoreError) {
    guard Identifiers.isUsable(record.id) else {
      throw StoreError(.usage, "\(quoted(record.id)) cannot be an ID: it must be a plain file name")
    }
    if table[record.id] != nil { throw StoreError(.duplicateID) }
    var record = record
    record.names = Identifiers.deduplicated(record.names)
    if record.names.contains(where: { table.named($0) != nil }) {
      throw StoreError(.duplicateName)
    }
    table.append(record, toFile: file)
  }
}
