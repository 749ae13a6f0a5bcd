import StrataDrivers
package import StrataModel
package import StrataPersistence
import StrataSystem
import Synchronization

/// The right to change layers and mounts, for as long as the exclusive lock is held.
package struct LayerWriter: ~Copyable {
  private let store: LayerStore
  private var core: RecordWriter<LayerRecord>
  /// Where files of layers go that are to be removed when the lock is gone.
  let removals: Removals

  init(store: LayerStore, core: consuming RecordWriter<LayerRecord>, removals: Removals) {
    self.store = store
    self.core = core
    self.removals = removals
  }

  /// The records with all changes so far.
  package var layers: RecordTable<LayerRecord> { core.table }

  /// The layer of an id, a name or a prefix of one id.
  package func find(_ key: String) -> LayerRecord? { core.table.find(key) }

  /// A new record at the end of its file.
  ///
  /// - Parameters:
  ///   - record: The layer.
  ///   - volatile: Whether it is lost at reboot: it goes to the volatile file if that is in use.
  ///   - inImageStore: Whether it belongs to the separate image store, if there is one.
  /// - Throws: `.duplicateID`, `.duplicateName`, `.usage` for an id that is no file name, or is that of
  ///   a folder which drivers keep beside those of layers (storage-format 1.1).
  package mutating func insert(
    _ record: LayerRecord, volatile: Bool = false, inImageStore: Bool = false
  ) throws(StoreError) {
    try record.checkID()
    try core.insert(
      record, toFile: store.fileNumber(volatile: volatile, inImageStore: inImageStore))
  }

  /// Changes the record of an id.
  ///
  /// Names are not changed here but by `changeNames`.
  package mutating func update(_ id: String, _ change: (inout LayerRecord) -> Void)
    throws(StoreError)
  {
    guard var record = core.table[id] else { throw StoreError(.layerUnknown) }
    change(&record)
    core.table.replace(record)
  }

  /// Takes a record away; its files are the caller's affair.
  package mutating func remove(_ id: String) { core.table.remove(id: id) }

  /// Sets, adds or removes names on the record as it is now; whoever had one of them loses it.
  ///
  /// - Returns: The names that the layer has then.
  @discardableResult
  package mutating func changeNames(
    of id: String, _ operation: NameOperation, _ names: [String]
  ) throws(StoreError) -> [String] {
    guard let record = core.table[id] else { throw StoreError(.layerUnknown) }
    core.table.assign(operation.result(old: record.names, given: names), to: id)
    return core.table[id]?.names ?? []
  }

  /// Writes a data item and notes its key.
  package mutating func setData(_ key: String, _ bytes: [UInt8], of id: String)
    throws(StoreError)
  {
    guard core.table[id] != nil else {
      throw StoreError(.layerUnknown)
        .wrapped("locating layer with ID \(quoted(id)) to write bigdata")
    }
    try store.data(id).write(key, bytes, kind: "layer")
    try update(id) { if !$0.bigDataNames.contains(key) { $0.bigDataNames.append(key) } }
  }

  /// Writes token and files now, so that other processes see what was changed so far after a crash.
  package mutating func save() throws(StoreError) { try core.save() }

  /// The mounts as they are now.
  package func mounts() throws(StoreError) -> MountTable { try store.currentMounts() }

  /// Changes the mounts under their own lock and saves them if they differ.
  ///
  /// `body` starts or ends the mount itself; if it throws, the file stays as it was.
  package func changeMounts<Result: ~Copyable>(
    _ body: (inout MountTable) throws(StoreError) -> Result
  ) throws(StoreError) -> Result {
    try store.changeMounts(body)
  }

  /// Ends the hold here, and so keeps it until here.
  consuming func end() { core.end() }
}

extension LayerRecord {
  /// Throws `.usage` for an id that a driver's own folders have.
  fileprivate func checkID() throws(StoreError) {
    guard ["l", "staging", "tempdirs"].contains(id) else { return }
    throw StoreError(
      .usage, "\(quoted(id)) cannot be the ID of a layer: drivers keep a folder of that name")
  }

  /// Throws what an insertion into these records would, so that nothing is read in vain.
  func checkInsertion(into layers: RecordTable<LayerRecord>) throws(StoreError) {
    try checkID()
    if layers[id] != nil { throw StoreError(.duplicateID) }
    if names.contains(where: { layers.named($0) != nil }) { throw StoreError(.duplicateName) }
  }
}

extension LayerStore {
  /// Only from a writer, which holds layers.lock.
  fileprivate func changeMounts<Result: ~Copyable>(
    _ body: (inout MountTable) throws(StoreError) -> Result
  ) throws(StoreError) -> Result {
    guard let mountpoints else {
      throw StoreError(.storeIsReadOnly).wrapped(
        "not allowed to update mount locations for layers at "
          + quoted(locations.directory.description))
    }
    var state = mountState.withLock { $0 }
    let result = try mountpoints.change(&state, body)
    mountState.withLock { $0 = state }
    return result
  }
}
