package import StrataModel
package import StrataPersistence
package import StrataSystem

/// The images of a graph root: `<driver>-images/images.json` and the data items beside it.
///
/// `reading` and `writing` are the only doors. Lock order: after layers, before containers.
package final class ImageStore: Sendable {
  /// `<graph root>/<driver>-images`.
  package let directory: RawPath
  let core: RecordStore<ImageRecord>

  /// Opens the lock file, making it and its directory where they are missing.
  ///
  /// Loads nothing.
  ///
  /// Errors: EROFS for an additional image store on a read-only disk without a lock file; the peer
  /// skips such a store.
  package init(directory: RawPath, readOnly: Bool = false) throws(StoreError) {
    self.directory = directory
    let lock = try LockFile.open(directory.appending("images.lock"), readOnly: readOnly)
    core = RecordStore(
      locks: LockPair(first: lock, second: nil),
      files: [RecordFile(path: directory.appending("images.json"))], isReadOnly: readOnly,
      rules: RecordStoreRules(
        repairAttempts: 1, attemptsPrefix: "(even after successfully cleaning up once:)",
        duplicateNames: StoreError(.duplicateImageNames),
        problem: {
          $0.duplicateNameCount > 0 ? StoreError(.duplicateImageNames) : nil
        },
        repair: { _ in nil }))
  }

  /// Whether it is an additional image store.
  package var isReadOnly: Bool { core.isReadOnly }

  /// The data items of an image.
  package func data(_ id: String) -> BigDataDirectory {
    BigDataDirectory(path: directory.appending(RawPath(id)))
  }

  /// Runs `body` with the images under the shared lock, as the last writer left them.
  package func reading<Result: ~Copyable>(
    _ body: (RecordTable<ImageRecord>) throws(StoreError) -> Result
  ) throws(StoreError) -> Result {
    try core.reading(body)
  }

  /// Runs `body` with the right to change images.
  ///
  /// What it changed is saved when it returns; if it throws, only what it saved itself stays.
  package func writing<Result: ~Copyable>(
    _ body: (inout ImageWriter) throws(StoreError) -> Result
  ) throws(StoreError) -> Result {
    if isReadOnly {
      throw StoreError(.storeIsReadOnly).wrapped(
        "not allowed to modify the image store at \(quoted(directory.description))")
    }
    var writer = ImageWriter(store: self, core: try core.openForWriting())
    let result = try body(&writer)
    try writer.save()
    writer.end()
    return result
  }
}

/// The right to change images, for as long as the exclusive lock is held.
package struct ImageWriter: ~Copyable {
  private let store: ImageStore
  private var core: RecordWriter<ImageRecord>

  init(store: ImageStore, core: consuming RecordWriter<ImageRecord>) {
    self.store = store
    self.core = core
  }

  /// The records with all changes so far.
  package var images: RecordTable<ImageRecord> { core.table }

  /// The image of an id, a name or a prefix of one id.
  package func find(_ key: String) -> ImageRecord? { core.table.find(key) }

  /// A new record at the end of the file.
  ///
  /// Errors: `.duplicateID` and `.duplicateName` in the peer's words, which name the image that has it.
  package mutating func insert(_ record: ImageRecord) throws(StoreError) {
    if core.table[record.id] != nil {
      throw StoreError(.duplicateID)
        .wrapped("an image with ID \(quoted(record.id)) already exists")
    }
    for name in record.names {
      if let holder = core.table.named(name) {
        throw StoreError(.duplicateName).wrapped(
          "image name \(quoted(name)) is already associated with image \(quoted(holder.id))")
      }
    }
    try core.insert(record, toFile: 0)
  }

  /// Changes the record of an id.
  ///
  /// Names are not changed here but by `changeNames`.
  package mutating func update(_ id: String, _ change: (inout ImageRecord) -> Void)
    throws(StoreError)
  {
    guard var record = core.table[id] else { throw unknown(id) }
    change(&record)
    core.table.replace(record)
  }

  /// Takes a record away; its data items are the caller's affair.
  package mutating func remove(_ id: String) { core.table.remove(id: id) }

  /// Sets, adds or removes names on the record as it is now; whoever had one of them loses it.
  ///
  /// Every name of the resulting list goes to the front of `names-history`, one after the other.
  ///
  /// - Returns: The names that the image has then.
  @discardableResult
  package mutating func changeNames(
    of id: String, _ operation: NameOperation, _ names: [String]
  ) throws(StoreError) -> [String] {
    guard let record = core.table[id] else { throw unknown(id) }
    let result = operation.result(old: record.names, given: names)
    core.table.assign(result, to: id)
    try update(id) { image in
      for name in result {
        image.namesHistory.removeAll { $0 == name }
        image.namesHistory.insert(name, at: 0)
      }
    }
    return result
  }

  /// Writes a data item and notes its key, size and digest; fills `digest` from a manifest item if it
  /// was empty.
  ///
  /// - Parameters:
  ///   - key: The key.
  ///   - bytes: The content.
  ///   - digest: SHA-256 of the bytes; of an item named `manifest…` the manifest's digest.
  ///   - id: The image.
  /// - Throws: `.imageUnknown`, `.invalidBigDataName`, the kernel's refusal.
  package mutating func setData(_ key: String, _ bytes: [UInt8], digest: Digest, of id: String)
    throws(StoreError)
  {
    guard core.table[id] != nil else { throw unknown(id) }
    try store.data(id).write(key, bytes, kind: "image")
    try update(id) { image in
      if !image.bigDataNames.contains(key) { image.bigDataNames.append(key) }
      image.bigDataSizes[key] = Int64(bytes.count)
      image.bigDataDigests[key] = digest
      image.oddDigests[key] = nil
      if key.hasPrefix("manifest"), image.digest == nil { image.digest = digest }
    }
  }

  private func unknown(_ id: String) -> StoreError {
    StoreError(.imageUnknown).wrapped("locating image with ID \(quoted(id))")
  }

  /// Writes token and file now.
  package mutating func save() throws(StoreError) { try core.save() }

  /// Ends the hold here, and so keeps it until here.
  consuming func end() { core.end() }
}
