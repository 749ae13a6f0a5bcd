package import StrataJSON
package import StrataModel
package import StrataSystem

/// A record that has names besides its id.
package protocol NamedRecord: JSONRecord {
  var names: [String] { get set }
}

extension LayerRecord: NamedRecord {}
extension ImageRecord: NamedRecord {}
extension ContainerRecord: NamedRecord {}

/// One JSON file of a store.
package struct RecordFile: Hashable, Sendable {
  /// Its path.
  package var path: RawPath
  /// Whether a save waits for the disk: not for files of volatile records.
  package var synchronizes: Bool

  package init(path: RawPath, synchronizes: Bool = true) {
    self.path = path
    self.synchronizes = synchronizes
  }
}

/// The records of a store as its files hold them, and what was changed since.
///
/// A value: readers hold copies, which cost a few retains; a writer's copy that is dropped has changed
/// nothing. Saving splices: records that were not touched are written with the bytes they were read
/// with, which keeps what other writers know and we do not, and costs nothing to encode.
package struct RecordTable<Record: NamedRecord>: Sendable {
  private struct Slot: Sendable {
    var record: Record
    /// The number of the file that it is kept in.
    var file: Int
    /// Its text in that file; nil once it is changed or new.
    var source: Range<Int>?
  }

  private struct Loaded: Sendable {
    var file: RecordFile
    var bytes: [UInt8] = []
    /// When what we know was written; nil if there was no file.
    var modificationTime: FileTime?
    var isChanged = false
  }

  /// In the order of the files; nil where a record was removed.
  private var slots: [Slot?] = []
  private var files: [Loaded]
  private var numbersByID: [String: Int] = [:]
  private var numbersByName: [String: Int] = [:]
  /// How many names were taken from earlier records while loading, which must be saved.
  package private(set) var duplicateNameCount = 0

  /// A table without records, of files that were not looked at.
  package init(files: [RecordFile]) {
    self.files = files.map { Loaded(file: $0) }
  }

  /// Reads the files, in their order. A record whose id was seen before is skipped; a name that an
  /// earlier record has is taken from that one, as the peer's load does.
  ///
  /// Errors: `loading "<path>": …` with the offset for a file that does not parse. It is never
  /// written then, since nothing is saved that was not loaded.
  package static func load(files: [RecordFile]) throws(StoreError) -> RecordTable {
    var table = RecordTable(files: files)
    for number in files.indices { try table.load(number) }
    return table
  }

  /// How many records there are.
  package var count: Int { numbersByID.count }

  /// All records, in the order of the files.
  package var records: [Record] { slots.compactMap { $0?.record } }

  /// Calls `body` for each record, without making the list.
  package func forEach<Failure: Error>(_ body: (Record) throws(Failure) -> Void) throws(Failure) {
    for slot in slots {
      if let slot { try body(slot.record) }
    }
  }

  /// The first record that fits.
  package func first(where fits: (Record) -> Bool) -> Record? {
    for case let slot? in slots where fits(slot.record) { return slot.record }
    return nil
  }

  /// The record of an id.
  package subscript(id: String) -> Record? {
    numbersByID[id].flatMap { slots[$0]?.record }
  }

  /// The record that has a name.
  package func named(_ name: String) -> Record? {
    numbersByName[name].flatMap { slots[$0]?.record }
  }

  /// By id, then by name, then by a prefix that fits exactly one id (storage-format 4.1).
  package func find(_ key: String) -> Record? {
    self[key] ?? named(key) ?? withUniquePrefix(key)
  }

  /// The one record whose id starts so.
  package func withUniquePrefix(_ prefix: String) -> Record? {
    guard !prefix.isEmpty else { return nil }
    var found: Record?
    for case let slot? in slots where slot.record.id.utf8.starts(with: prefix.utf8) {
      if found != nil { return nil }
      found = slot.record
    }
    return found
  }

  /// The number of the file that a record is kept in.
  package func fileNumber(of id: String) -> Int? {
    numbersByID[id].flatMap { slots[$0]?.file }
  }
}

// MARK: - Changing

extension RecordTable {
  /// Adds a record at the end of a file. Its id and names must be free: the caller has looked.
  package mutating func append(_ record: Record, toFile file: Int) {
    numbersByID[record.id] = slots.count
    for name in record.names { numbersByName[name] = slots.count }
    slots.append(Slot(record: record, file: file, source: nil))
    files[file].isChanged = true
  }

  /// Puts a record in the place of the one with its id, if it differs. Names are taken as they are.
  package mutating func replace(_ record: Record) {
    guard let number = numbersByID[record.id], let slot = slots[number], slot.record != record
    else { return }
    for name in slot.record.names where numbersByName[name] == number { numbersByName[name] = nil }
    for name in record.names { numbersByName[name] = number }
    slots[number] = Slot(record: record, file: slot.file, source: nil)
    files[slot.file].isChanged = true
  }

  /// Takes a record away.
  package mutating func remove(id: String) {
    guard let number = numbersByID.removeValue(forKey: id), let slot = slots[number] else { return }
    for name in slot.record.names where numbersByName[name] == number { numbersByName[name] = nil }
    slots[number] = nil
    files[slot.file].isChanged = true
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
}

// MARK: - Files

extension RecordTable {
  /// Whether a file is another than the one that was loaded or saved last, by its time.
  package func isStale() throws(StoreError) -> Bool {
    for file in files where try modificationTime(file.file.path) != file.modificationTime {
      return true
    }
    return false
  }

  /// Whether a save would write anything.
  package var isChanged: Bool { files.contains { $0.isChanged } }

  /// Writes the files that hold a changed record. All are tried, though one fails; the first error
  /// is thrown.
  package mutating func save() throws(StoreError) {
    var failure: StoreError?
    for number in files.indices where files[number].isChanged {
      do throws(StoreError) { try save(number) } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
  }

  private mutating func save(_ number: Int) throws(StoreError) {
    let (bytes, ranges) = spliced(number)
    let file = files[number].file
    let time = try AtomicFile.write(bytes, to: file.path, synchronize: file.synchronizes)
    files[number] = Loaded(file: file, bytes: bytes, modificationTime: time)
    for (index, range) in ranges { slots[index]?.source = range }
  }

  /// The new text of a file, and where each record lies in it.
  private func spliced(_ number: Int) -> (bytes: [UInt8], ranges: [(Int, Range<Int>)]) {
    let old = files[number].bytes
    var writer = JSONWriter()
    writer.bytes.reserveCapacity(old.count + 1024)
    var ranges: [(Int, Range<Int>)] = []
    ranges.reserveCapacity(slots.count)
    writer.beginArray()
    for (index, slot) in slots.enumerated() {
      guard let slot, slot.file == number else { continue }
      writer.separate()
      let start = writer.bytes.count
      if let source = slot.source {
        writer.raw(old[source])
      } else {
        slot.record.encode(to: &writer)
      }
      ranges.append((index, start..<writer.bytes.count))
    }
    writer.endArray()
    return (writer.bytes, ranges)
  }

  private mutating func load(_ number: Int) throws(StoreError) {
    let path = files[number].file.path
    let scanned: [ScannedRecord<Record>]
    do throws(Errno) {
      // The time is taken before the bytes: a file that is replaced between looks stale later.
      let file = try FileDescriptor.workingDirectory.open(path, .readOnly)
      files[number].modificationTime = try file.view.status().modificationTime
      files[number].bytes = try file.view.readToEnd()
    } catch {
      if error == .noSuchFileOrDirectory { return }
      throw StoreError(error, "loading \(quoted(path.description))")
    }
    do throws(JSONError) { scanned = try Record.decodeAll(files[number].bytes) } catch {
      throw StoreError(.loadError, "loading \(quoted(path.description)): \(error)")
    }
    slots.reserveCapacity(slots.count + scanned.count)
    numbersByID.reserveCapacity(numbersByID.count + scanned.count)
    for found in scanned { add(found, file: number) }
  }

  private mutating func add(_ found: ScannedRecord<Record>, file: Int) {
    let number = slots.count
    let (inserted, _) = numbersByID.insertIfAbsent(number, for: found.record.id)
    guard inserted else { return }
    for name in found.record.names {
      if let earlier = numbersByName[name], var holder = slots[earlier] {
        holder.record.names.removeAll { $0 == name }
        holder.source = nil
        slots[earlier] = holder
        files[holder.file].isChanged = true
        duplicateNameCount += 1
      }
      numbersByName[name] = number
    }
    slots.append(Slot(record: found.record, file: file, source: found.range))
  }
}

extension Dictionary {
  /// Sets a value only where there is none.
  fileprivate mutating func insertIfAbsent(_ value: Value, for key: Key) -> (
    inserted: Bool, value: Value
  ) {
    var inserted = false
    let result = { (slot: inout Value?) -> Value in
      if let slot { return slot }
      slot = value
      inserted = true
      return value
    }(&self[key])
    return (inserted, result)
  }
}

/// When a file was last written; nil if it is not there.
package func modificationTime(_ path: RawPath) throws(StoreError) -> FileTime? {
  do throws(Errno) {
    return try FileDescriptor.workingDirectory.status(of: path, follow: true).modificationTime
  } catch {
    if error == .noSuchFileOrDirectory { return nil }
    throw StoreError(error, "stat \(path)")
  }
}
