package import StrataModel
package import StrataPersistence
package import StrataSystem

/// The containers of a graph root: `<driver>-containers/containers.json`, its volatile companion, and
/// the data items.
///
/// `reading` and `writing` are the only doors. Lock order: after layers and images.
package final class ContainerStore: Sendable {
  /// `<graph root>/<driver>-containers`.
  package let directory: RawPath
  let core: RecordStore<ContainerRecord>
  fileprivate let writesVolatileFile: Bool

  /// Opens the lock file, making it and its directory where they are missing.
  ///
  /// Loads nothing.
  ///
  /// - Parameters:
  ///   - directory: `<graph root>/<driver>-containers`.
  ///   - runDirectory: `<run root>/<driver>-containers`, where lock and volatile records of a
  ///     transient store live.
  ///   - isTransient: Whether it is one.
  ///   - writesVolatileFile: Whether volatile containers go to the volatile file, which 1.43 and 1.44
  ///     do not see; nil: only in a transient store.
  ///   - readOnly: Whether the graph root cannot be written, so that looking is all that works.
  /// - Throws: The kernel's refusal to open or make the lock file.
  package init(
    directory: RawPath, runDirectory: RawPath, isTransient: Bool = false,
    writesVolatileFile: Bool? = nil, readOnly: Bool = false
  ) throws(StoreError) {
    self.directory = directory
    self.writesVolatileFile = writesVolatileFile ?? isTransient
    let volatile = isTransient ? runDirectory : directory
    let lock = try LockFile.open(volatile.appending("containers.lock"), readOnly: readOnly)
    core = RecordStore(
      locks: LockPair(first: lock, second: nil),
      files: [
        RecordFile(path: directory.appending("containers.json")),
        RecordFile(path: volatile.appending("volatile-containers.json"), synchronizes: false),
      ],
      isReadOnly: readOnly, rules: Self.rules)
  }

  private static var rules: RecordStoreRules<ContainerRecord> {
    let inconsistent = StoreError(
      .damaged, "container store is inconsistent and the current caller does not hold a write lock")
    return RecordStoreRules(
      repairAttempts: 1, attemptsPrefix: "(even after successfully cleaning up once:)",
      duplicateNames: inconsistent,
      problem: { $0.duplicateNameCount > 0 ? inconsistent : nil },
      repair: { _ in nil })
  }

  /// The data items of a container.
  package func data(_ id: String) -> BigDataDirectory {
    BigDataDirectory(path: directory.appending(RawPath(id)))
  }

  /// Runs `body` with the containers under the shared lock, as the last writer left them.
  package func reading<Result: ~Copyable>(
    _ body: (RecordTable<ContainerRecord>) throws(StoreError) -> Result
  ) throws(StoreError) -> Result {
    try core.reading(body)
  }

  /// Runs `body` with the right to change containers.
  ///
  /// What it changed is saved when it returns; if it throws, only what it saved itself stays.
  package func writing<Result: ~Copyable>(
    _ body: (inout ContainerWriter) throws(StoreError) -> Result
  ) throws(StoreError) -> Result {
    var writer = ContainerWriter(store: self, core: try core.openForWriting())
    let result = try body(&writer)
    try writer.save()
    writer.end()
    return result
  }
}

/// The right to change containers, for as long as the exclusive lock is held.
package struct ContainerWriter: ~Copyable {
  private let store: ContainerStore
  private var core: RecordWriter<ContainerRecord>

  init(store: ContainerStore, core: consuming RecordWriter<ContainerRecord>) {
    self.store = store
    self.core = core
  }

  /// The records with all changes so far.
  package var containers: RecordTable<ContainerRecord> { core.table }

  /// The container of an id, a name, a layer's id or a prefix of one id.
  package func find(_ key: String) -> ContainerRecord? { core.table.findContainer(key) }

  /// A new record at the end of its file: the volatile one for a volatile container, if that is in
  /// use.
  ///
  /// Errors: `.duplicateID`, `.duplicateName` in the peer's words, which name the container.
  package mutating func insert(_ record: ContainerRecord) throws(StoreError) {
    for name in record.names {
      if let holder = core.table.named(name) {
        throw StoreError(.duplicateName).wrapped(
          "the container name \(quoted(name)) is already in use by \(holder.id). You have to remove "
            + "that container to be able to reuse that name")
      }
    }
    try core.insert(record, toFile: record.isVolatile && store.writesVolatileFile ? 1 : 0)
  }

  /// Changes the record of an id.
  ///
  /// Names are not changed here but by `changeNames`.
  package mutating func update(_ id: String, _ change: (inout ContainerRecord) -> Void)
    throws(StoreError)
  {
    guard var record = core.table[id] else { throw StoreError(.containerUnknown) }
    change(&record)
    core.table.replace(record)
  }

  /// Takes a record away; its data items are the caller's affair.
  package mutating func remove(_ id: String) { core.table.remove(id: id) }

  /// Sets, adds or removes names on the record as it is now; whoever had one of them loses it.
  ///
  /// - Returns: The names that the container has then.
  @discardableResult
  package mutating func changeNames(
    of id: String, _ operation: NameOperation, _ names: [String]
  ) throws(StoreError) -> [String] {
    guard let record = core.table[id] else { throw StoreError(.containerUnknown) }
    core.table.assign(operation.result(old: record.names, given: names), to: id)
    return core.table[id]?.names ?? []
  }

  /// Writes a data item and notes its key, size and digest (SHA-256 of the bytes).
  package mutating func setData(_ key: String, _ bytes: [UInt8], digest: Digest, of id: String)
    throws(StoreError)
  {
    guard core.table[id] != nil else { throw StoreError(.containerUnknown) }
    try store.data(id).write(key, bytes, kind: "container")
    try update(id) { container in
      if !container.bigDataNames.contains(key) { container.bigDataNames.append(key) }
      container.bigDataSizes[key] = Int64(bytes.count)
      container.bigDataDigests[key] = digest
      container.oddDigests[key] = nil
    }
  }

  /// Writes token and files now.
  package mutating func save() throws(StoreError) { try core.save() }

  /// Ends the hold here, and so keeps it until here.
  consuming func end() { core.end() }
}
