import StrataJSON
package import StrataModel
package import StrataSystem

/// Where layers are mounted and how often that was asked for.
package struct MountTable: Hashable, Sendable {
  /// By layer, in the order of the file.
  package private(set) var records: [MountRecord] = []

  package init() {}

  init(records: [MountRecord]) {
    self.records = records
  }

  /// The mount of a layer, if it has one.
  package subscript(layer: String) -> MountRecord? {
    records.first { $0.id == layer }
  }

  /// The mount at a path.
  package func mount(at path: RawPath) -> MountRecord? {
    let text = path.cleaned.description
    return records.first { $0.path == text }
  }

  /// Sets path and count of a layer; a count below 1 or an empty path forgets it, since only live
  /// mounts are written (storage-format 2.5).
  package mutating func set(_ layer: String, path: RawPath, count: Int) {
    let index = records.firstIndex { $0.id == layer }
    guard count > 0, !path.isEmpty else {
      if let index { records.remove(at: index) }
      return
    }
    if let index {
      records[index].path = path.cleaned.description
      records[index].count = count
    } else {
      records.append(MountRecord(id: layer, path: path.cleaned.description, count: count))
    }
  }
}

/// mountpoints.json with its lock, whose token is its own: a mount elsewhere costs a reader this
/// small file and not the layers.
///
/// Lock order: innermost, only while layers.lock is held (storage-format 3.5).
package struct MountpointsFile: Sendable {
  private let path: RawPath
  private let lock: LockFile

  /// What is known and the token of that state.
  package struct State: Sendable {
    package var table = MountTable()
    var token: LastWriter?
    package init() {}
  }

  /// The file in the run root's layer directory, which is made where it is missing.
  package init(directory: RawPath) throws(StoreError) {
    path = directory.appending("mountpoints.json")
    lock = try LockFile.open(directory.appending("mountpoints.lock"))
  }

  /// Reads the file if somebody has written it since, or always if `force`.
  package func refresh(_ state: inout State, force: Bool = false) throws(StoreError) {
    let hold = try lock.shared()
    try reload(&state, token: try hold.lastWriter(), force: force)
  }

  /// Changes the mounts under the exclusive lock, and saves them if they are not what they were.
  ///
  /// `body` may start a mount program: the peer holds the lock through that too, so that counts and
  /// mounts go together. Nothing is saved if it throws.
  package func change<Result: ~Copyable>(
    _ state: inout State, _ body: (inout MountTable) throws(StoreError) -> Result
  ) throws(StoreError) -> Result {
    let hold = try lock.exclusive()
    try reload(&state, token: try hold.lastWriter(), force: false)
    var table = state.table
    let result = try body(&table)
    if table != state.table {
      let token = try hold.recordWrite()
      try save(table)
      state.table = table
      state.token = token
    }
    return result
  }

  private func reload(_ state: inout State, token: LastWriter, force: Bool) throws(StoreError) {
    if !force, state.token == token { return }
    state.table = MountTable(records: try load())
    state.token = token
  }

  private func load() throws(StoreError) -> [MountRecord] {
    let bytes: [UInt8]
    do throws(Errno) { bytes = try FileDescriptor.workingDirectory.contents(of: path) } catch {
      if error == .noSuchFileOrDirectory { return [] }
      throw StoreError(error, "loading \(quoted(path.description))")
    }
    let records: [MountRecord]
    do throws(JSONError) { records = try MountRecord.decodeAll(bytes).map(\.record) } catch {
      throw StoreError(.loadError, "loading \(quoted(path.description)): \(error)")
    }
    for record in records { try requireUsable(record.id, in: path) }
    return records
  }

  /// Moves a file that does not parse aside, and writes one with the mounts that there are.
  ///
  /// - Returns: Its new path and what is wrong with it; nil for one that can be read.
  package func replaceDamaged(by mounts: () throws(StoreError) -> [MountRecord])
    throws(StoreError) -> (path: RawPath, reason: String)?
  {
    let hold = try lock.exclusive()
    let reason: String
    do throws(StoreError) {
      _ = try load()
      return nil
    } catch {
      guard error.code == .loadError || error.code == .damaged else { throw error }
      reason = error.message
    }
    let table = MountTable(records: try mounts())
    let aside = path.parent.appending(
      RawPath("\(path.lastComponent).damaged-\(FileTime.now.seconds)"))
    do throws(Errno) {
      let here = FileDescriptor.workingDirectory
      try here.rename(path, to: here, aside)
    } catch {
      throw StoreError(error, "rename \(path) \(aside)")
    }
    _ = try hold.recordWrite()
    try save(table)
    return (aside, reason)
  }

  private func save(_ table: MountTable) throws(StoreError) {
    var writer = JSONWriter()
    writer.beginArray()
    for record in table.records {
      writer.separate()
      record.encode(to: &writer)
    }
    writer.endArray()
    // No sync: the run root is lost with the mounts that it tells of.
    try AtomicFile.write(writer.bytes, to: path, synchronize: false)
  }
}
