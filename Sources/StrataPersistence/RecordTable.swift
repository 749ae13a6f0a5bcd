package import StrataJSON
package import StrataModel

/// A record that has names besides its id.
package protocol NamedRecord: JSONRecord {
  var names: [String] { get set }
  /// Whether a file with one record of bad content is refused whole.
  static var isValidatedAtLoad: Bool { get }
}

extension LayerRecord: NamedRecord {
  package static var isValidatedAtLoad: Bool { false }
}

extension ImageRecord: NamedRecord {
  /// The peer refuses all images where one has a bad digest.
  package static var isValidatedAtLoad: Bool { true }
}

extension ContainerRecord: NamedRecord {
  package static var isValidatedAtLoad: Bool { false }
}

/// The records of a store as its files hold them, and what was changed since.
///
/// A value: readers hold copies, which cost a few retains; a writer's copy that is dropped has changed
/// nothing. Records are made when they are asked for. Saving splices: records that were not touched
/// are written with the bytes they were read with, which keeps what other writers know and we do not,
/// and costs nothing to encode.
package struct RecordTable<Record: NamedRecord>: Sendable {
  private var index: RecordIndex
  /// Records that differ from the files, or are new, by their number.
  private var changed: [Int: Record] = [:]
  /// How many names were taken from earlier records while loading, which must be saved.
  package private(set) var duplicateNameCount = 0

  /// A table without records, of files that were not looked at.
  package init(files: [RecordFile]) {
    index = RecordIndex(files: files)
  }

  /// Reads the files, in their order.
  ///
  /// A record whose id was seen before is skipped; a name that an earlier record has is taken from
  /// that one, as the peer's load does.
  ///
  /// Errors: `loading "<path>": …` with the offset for a file that does not parse. It is never
  /// written then, since nothing is saved that was not loaded.
  ///
  /// `leavingOutOddIDs`: records whose ids are no plain file names, an error else, are not there, nor in
  /// the file once it is saved.
  package static func load(files: [RecordFile], leavingOutOddIDs: Bool = false) throws(StoreError)
    -> RecordTable
  {
    var table = RecordTable(files: files)
    for number in files.indices {
      for duplicate in try table.index.load(number, Record.schema, leavingOut: leavingOutOddIDs) {
        table.duplicateNameCount += 1
        guard var holder = table.record(duplicate.earlier) else { continue }
        holder.names.removeAll { $0 == duplicate.name }
        table.change(duplicate.earlier, to: holder)
      }
    }
    if Record.isValidatedAtLoad { try table.validate() }
    return table
  }

  private func validate() throws(StoreError) {
    for number in index.live where !index.slots[number].isChanged {
      let slot = index.slots[number]
      do throws(JSONError) {
        var scanner = JSONScanner(index.files[slot.file].bytes, at: slot.summary.range.lowerBound)
        _ = try Record(decoding: &scanner)
      } catch {
        throw index.damaged(slot.file, error)
      }
    }
  }

  /// The record of a number, made from its text unless it was changed.
  private func record(_ number: Int) -> Record? {
    if let record = changed[number] { return record }
    let slot = index.slots[number]
    if slot.isRemoved { return nil }
    // The load has checked the text as strictly as this does.
    var scanner = JSONScanner(index.files[slot.file].bytes, at: slot.summary.range.lowerBound)
    return try? Record(decoding: &scanner)
  }
}

// MARK: - Looking

extension RecordTable {
  /// How many records there are.
  package var count: Int { index.numbersByID.count }

  /// All records, in the order of the files.
  package var records: [Record] { index.live.compactMap { record($0) } }

  /// The ids of all records, in the order of the files.
  package var ids: [String] {
    index.live.map { number in
      let slot = index.slots[number]
      return changed[number]?.id ?? slot.summary.id.text(in: index.files[slot.file].bytes)
    }
  }

  /// Calls `body` for each record, without making the list.
  package func forEach<Failure: Error>(_ body: (Record) throws(Failure) -> Void) throws(Failure) {
    for number in index.live {
      if let record = record(number) { try body(record) }
    }
  }

  /// The first record that fits.
  package func first(where fits: (Record) -> Bool) -> Record? {
    for number in index.live {
      if let record = record(number), fits(record) { return record }
    }
    return nil
  }

  /// The records for which `text` places something equal to `value`, found without making the others.
  ///
  /// - Parameters:
  ///   - text: The place in a summary.
  ///   - value: What it must hold.
  ///   - current: The same thing of a record that was changed since.
  /// - Returns: The records, in the order of the files.
  package func records(
    where text: any KeyPath<RecordSummary, TextRange> & Sendable, is value: String,
    current: (Record) -> String?
  ) -> [Record] {
    let bytes = Array(value.utf8)
    var found: [Record] = []
    for number in index.live {
      if let record = changed[number] {
        if current(record) == value { found.append(record) }
        continue
      }
      let slot = index.slots[number]
      let range = slot.summary[keyPath: text]
      if range.equals(bytes, in: index.files[slot.file].bytes), let record = record(number) {
        found.append(record)
      }
    }
    return found
  }

  /// The record of an id.
  package subscript(id: String) -> Record? {
    index.numbersByID[id].flatMap { record($0) }
  }

  /// The record that has a name.
  package func named(_ name: String) -> Record? {
    index.numbersByName[name].flatMap { record($0) }
  }

  /// By id, then by name, then by a prefix that fits exactly one id (storage-format 4.1).
  package func find(_ key: String) -> Record? {
    self[key] ?? named(key) ?? withUniquePrefix(key)
  }

  /// The one record whose id starts so.
  package func withUniquePrefix(_ prefix: String) -> Record? {
    guard !prefix.isEmpty else { return nil }
    var found: Int?
    for (id, number) in index.numbersByID where id.utf8.starts(with: prefix.utf8) {
      if found != nil { return nil }
      found = number
    }
    return found.flatMap { record($0) }
  }

  /// The number of the file that a record is kept in.
  package func fileNumber(of id: String) -> Int? {
    index.numbersByID[id].map { index.slots[$0].file }
  }
}

extension RecordTable<LayerRecord> {
  /// The layers that are being made or deleted, in order.
  package var incompleteRecords: [LayerRecord] {
    index.live.compactMap { number in
      if let record = changed[number] { return record.isIncomplete ? record : nil }
      return index.slots[number].summary.isIncomplete ? record(number) : nil
    }
  }
}

// MARK: - Changing

extension RecordTable {
  private mutating func change(_ number: Int, to record: Record) {
    changed[number] = record
    index.slots[number].isChanged = true
    index.files[index.slots[number].file].isChanged = true
  }

  /// Adds a record at the end of a file.
  ///
  /// Its id and names must be free: the caller has looked.
  package mutating func append(_ record: Record, toFile file: Int) {
    let number = index.slots.count
    index.slots.append(RecordIndex.Slot(summary: RecordSummary(), file: file))
    index.numbersByID[record.id] = number
    for name in record.names { index.numbersByName[name] = number }
    change(number, to: record)
  }

  /// Puts a record in the place of the one with its id, if it differs.
  ///
  /// Names are taken as they are.
  package mutating func replace(_ record: Record) {
    guard let number = index.numbersByID[record.id], let old = self.record(number), old != record
    else { return }
    forget(old.names, of: number)
    for name in record.names { index.numbersByName[name] = number }
    change(number, to: record)
  }

  /// Takes a record away.
  package mutating func remove(id: String) {
    guard let number = index.numbersByID[id] else { return }
    if let old = record(number) { forget(old.names, of: number) }
    index.numbersByID[id] = nil
    changed[number] = nil
    index.slots[number].isRemoved = true
    index.files[index.slots[number].file].isChanged = true
  }

  /// Gives a record these names, without repetitions; whoever had one of them loses it.
  package mutating func assign(_ names: [String], to id: String) {
    guard var record = self[id] else { return }
    let names = Identifiers.deduplicated(names)
    for name in names {
      if var holder = named(name), holder.id != id {
        holder.names.removeAll { $0 == name }
        replace(holder)
      }
    }
    record.names = names
    replace(record)
  }

  private mutating func forget(_ names: [String], of number: Int) {
    for name in names where index.numbersByName[name] == number {
      index.numbersByName[name] = nil
    }
  }
}

// MARK: - Files

extension RecordTable {
  /// Whether a file is another than the one that was loaded or saved last, by its time.
  package func isStale() throws(StoreError) -> Bool { try index.isStale() }

  /// Whether a save would write anything.
  package var isChanged: Bool { index.files.contains { $0.isChanged } }

  /// Writes the files that hold a changed record.
  ///
  /// All are tried, though one fails; the first error is thrown.
  package mutating func save() throws(StoreError) {
    var failure: StoreError?
    for number in index.files.indices where index.files[number].isChanged {
      do throws(StoreError) { try save(number) } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
    duplicateNameCount = 0
  }

  private mutating func save(_ number: Int) throws(StoreError) {
    let records = changed
    let (bytes, starts) = index.spliced(number) { records[$0]?.encoded() ?? [] }
    let file = index.files[number].file
    let time = try AtomicFile.write(bytes, to: file.path, synchronize: file.synchronizes)
    try index.adopt(
      bytes, starts: starts, file: number, modificationTime: time, Record.schema)
    for index in records.keys where starts[index] >= 0 { changed[index] = nil }
  }
}
