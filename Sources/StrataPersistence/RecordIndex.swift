import StrataJSON
package import StrataModel
package import StrataSystem

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

/// The bytes of a file as loaded or saved last.
struct LoadedFile: Sendable {
  var file: RecordFile
  var bytes: [UInt8] = []
  /// When what we know was written; nil if there was no file.
  var modificationTime: FileTime?
  var isChanged = false
}

/// Where the records of a store lie and how they are found; makes no records itself, so that loading
/// costs a scan and two tables.
struct RecordIndex: Sendable {
  /// One record.
  ///
  /// Plain numbers: copying ten thousand is one move of memory.
  struct Slot: Sendable {
    var summary: RecordSummary
    /// The number of the file that it is kept in.
    var file: Int
    /// Whether its text in the file is over: it is changed or new.
    var isChanged = false
    var isRemoved = false
  }

  /// A name that two records have.
  struct DuplicateName: Sendable {
    var name: String
    var earlier: Int
  }

  var slots: [Slot] = []
  var files: [LoadedFile]
  var numbersByID: [String: Int] = [:]
  var numbersByName: [String: Int] = [:]

  init(files: [RecordFile]) {
    self.files = files.map { LoadedFile(file: $0) }
  }

  /// Reads a file and adds its records; one whose id was seen before is skipped.
  ///
  /// A name goes to the later record, as in the peer's load; the earlier one must give it up.
  ///
  /// `leavingOut` those records whose ids are no plain file names, which are an error else.
  mutating func load(_ number: Int, _ schema: RecordSchema, leavingOut: Bool = false)
    throws(StoreError) -> [DuplicateName]
  {
    let path = files[number].file.path
    do throws(Errno) {
      // The time is taken before the bytes: a file that is replaced between looks stale later.
      let file = try FileDescriptor.workingDirectory.open(path, .readOnly)
      let status = try file.view.status()
      files[number].modificationTime = status.modificationTime
      files[number].bytes = try file.view.readToEnd()
    } catch {
      if error == .noSuchFileOrDirectory { return [] }
      throw StoreError(error, "loading \(quoted(path.description))")
    }
    let bytes = files[number].bytes
    var summaries: [RecordSummary]
    do throws(JSONError) {
      summaries = try JSONScanner.summaries(bytes, schema)
    } catch {
      throw damaged(number, error)
    }
    if leavingOut {
      let count = summaries.count
      summaries.removeAll { !Identifiers.isUsable($0.id.text(in: bytes)) }
      files[number].isChanged = summaries.count != count
    }
    return try add(summaries, of: bytes, file: number)
  }

  /// The error of a file that does not hold what it must.
  func damaged(_ number: Int, _ error: JSONError) -> StoreError {
    let path = files[number].file.path
    return StoreError(.loadError, "loading \(quoted(path.description)): \(error)")
  }

  /// Adds the records of a file; an id that is no plain file name is an error.
  ///
  /// Folders are called after ids and are removed by them: such a one would lead out of the store.
  private mutating func add(
    _ summaries: [RecordSummary], of bytes: [UInt8], file: Int
  ) throws(StoreError) -> [DuplicateName] {
    var duplicates: [DuplicateName] = []
    slots.reserveCapacity(slots.count + summaries.count)
    numbersByID.reserveCapacity(numbersByID.count + summaries.count)
    for summary in summaries {
      let number = slots.count
      let id = summary.id.text(in: bytes)
      try requireUsable(id, in: files[file].file.path, at: summary.range.lowerBound)
      if let old = numbersByID.updateValue(number, forKey: id) {
        numbersByID[id] = old
        continue
      }
      for name in summary.nameList(in: bytes) {
        if let earlier = numbersByName.updateValue(number, forKey: name), earlier != number {
          duplicates.append(DuplicateName(name: name, earlier: earlier))
        }
      }
      slots.append(Slot(summary: summary, file: file))
    }
    return duplicates
  }

  /// The numbers of the records that are there, in order.
  var live: some Sequence<Int> {
    slots.indices.lazy.filter { !slots[$0].isRemoved }
  }

  /// Whether a file is another than the one that was loaded or saved last, by its time.
  func isStale() throws(StoreError) -> Bool {
    for file in files where try modificationTime(file.file.path) != file.modificationTime {
      return true
    }
    return false
  }

  /// The new text of a file: records that were not touched keep their bytes, `encoded` gives the
  /// text of the others.
  ///
  /// Where each record starts then, by its number; -1 for those of other files.
  func spliced(_ number: Int, encoded: (Int) -> [UInt8]) -> (bytes: [UInt8], starts: [Int]) {
    let old = files[number].bytes
    var text: [UInt8] = [UInt8(ascii: "[")]
    text.reserveCapacity(old.count + 1024)
    var starts = [Int](repeating: -1, count: slots.count)
    for (index, slot) in slots.enumerated() where slot.file == number && !slot.isRemoved {
      if text.count > 1 { text.append(UInt8(ascii: ",")) }
      starts[index] = text.count
      if slot.isChanged {
        text.append(contentsOf: encoded(index))
      } else {
        text.append(contentsOf: old[slot.summary.range])
      }
    }
    text.append(UInt8(ascii: "]"))
    return (text, starts)
  }

  /// Takes a text that was saved for the file's content.
  mutating func adopt(
    _ bytes: [UInt8], starts: [Int], file number: Int, modificationTime: FileTime,
    _ schema: RecordSchema
  ) throws(StoreError) {
    files[number].bytes = bytes
    files[number].modificationTime = modificationTime
    files[number].isChanged = false
    do throws(JSONError) {
      for index in slots.indices where starts[index] >= 0 {
        if slots[index].isChanged {
          slots[index].summary = try JSONScanner.summary(bytes, at: starts[index], schema)
          slots[index].isChanged = false
        } else {
          slots[index].summary.move(to: starts[index])
        }
      }
    } catch {
      throw damaged(number, error)
    }
  }
}

/// Refuses an id in a file of records that is no plain file name.
func requireUsable(_ id: String, in path: RawPath, at offset: Int? = nil) throws(StoreError) {
  guard Identifiers.isUsable(id) else {
    let place = offset.map { " of the record at offset \($0)" } ?? ""
    throw StoreError(
      .loadError,
      "loading \(quoted(path.description)): the ID \(quoted(id))\(place) is no plain file name")
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
