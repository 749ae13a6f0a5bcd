import StrataArchive
import StrataDigest
import StrataDrivers
public import StrataModel
import StrataPersistence
public import StrataSystem

extension Store {
  /// Makes an empty layer.
  public func createLayer(_ creation: LayerCreation) throws(StoreError) -> LayerRecord {
    try requireWritable()
    if let mappings = creation.mappings { try prepareToOwnAnew(mappings) }
    let planned = try layerStore.reading { state throws(StoreError) in
      try plan(creation, state.layers)
    }
    let copy = try ParentCopy(
      of: planned.parent, for: planned.record.mappings, inImageStore: creation.isReadOnly, in: self)
    return try layerStore.writing { writer throws(StoreError) in
      let (record, parent) = try plan(creation, writer.layers)
      return try makeEmpty(
        record, creation.data, parent: parent?.id,
        parentMappings: parent?.mappings ?? record.mappings, inImageStore: creation.isReadOnly,
        content: copy?.content(for: record, on: parent), &writer)
    }
  }

  /// Makes a layer of a tar, plain or compressed.
  ///
  /// The content is written aside while no lock is held; then the layer comes to be at once. Any
  /// failure, a broken promise too, leaves nothing. Where a full disk does not let the record be taken
  /// out it stays marked incomplete, and whoever loads the layers next removes it (storage-format 4.3).
  public func putLayer(
    _ creation: LayerCreation, content: any ByteSource,
    expected: LayerExpectation = LayerExpectation(), progress: ((Int64) -> Void)? = nil
  ) throws(StoreError) -> LayerRecord {
    let layers = try StagedLayers([creation], in: self, reusing: false)
    try layers.fill(0, content: content, expected: expected, progress: progress)
    return try layers.commit()[0].record
  }

  /// Extracts a tar over an existing layer and records its digests; returns the size of the content.
  ///
  /// The tar is read into a file first, so that its source is not waited for under the lock; a layer that
  /// is empty, as one that was just made, gets its content written aside and moved there. Over other
  /// content it is written under the lock. On failure the record stays as it was, what was extracted stays
  /// too, as with the peer.
  @discardableResult
  public func applyDiff(to layer: String, content: any ByteSource) throws(StoreError) -> Int64 {
    try requireWritable()
    guard let known = try findLayer(layer)?.record else { throw StoreError(.layerUnknown) }
    let place = try layerStore.makeTemporaryDirectory()
    let spool = try spool(content)
    let ready = try AddedContent(spool.source(), for: known, in: self, place)
    return try layerStore.writing { writer throws(StoreError) in
      guard var record = writer.find(layer) else { throw StoreError(.layerUnknown) }
      let tarSplit: TarSplitFile
      let applied: AppliedLayer
      if let ready, try ready.move(to: record, writer) {
        (tarSplit, applied) = (ready.tarSplit, ready.applied)
      } else {
        tarSplit = TarSplitFile(in: place)
        let diff = try driver.openDiff(record.id)
        applied = try apply(
          spool.source(), to: diff.view, as: nil, tarSplit, record, LayerExpectation(), nil)
      }
      try tarSplit.move(toLayer: record.id)
      try synchronizeFileSystems(SharedDescriptor(driver.openDiff(record.id)), place.home)
      record.take(applied)
      try writer.update(record.id) { $0 = record }
      try writer.save()
      return applied.contentSize
    }
  }

  /// A copy of everything that comes, in a file without a name.
  private func spool(_ content: any ByteSource) throws(StoreError) -> SpooledContent {
    let root = configuration.graphRoot
    let file = try naming("open", root) { () throws(Errno) in
      try FileDescriptor.workingDirectory.open(root, [.readWrite, .temporaryFile], mode: 0o600)
    }
    let sink = try naming("open", root) { () throws(Errno) in
      FileSink(try file.view.duplicate(), name: root)
    }
    try streaming { () throws(StreamError) in _ = try content.copy(to: sink) }
    return SpooledContent(file: SharedDescriptor(file), root: root)
  }
}

// MARK: - Steps, under the layers' write lock

extension Store {
  /// The record of a layer to be made, after every check that needs no change, and its parent; `sibling`
  /// is one that is made together with the layer.
  func plan(
    _ creation: LayerCreation, _ layers: RecordTable<LayerRecord>, on sibling: LayerRecord? = nil
  ) throws(StoreError) -> (record: LayerRecord, parent: LayerRecord?) {
    var parent = sibling
    if parent == nil, let key = creation.parent, !key.isEmpty {
      parent = try parentLayer(key, layers)
    }
    let id = try freshID(creation.id) { layers[$0] != nil }
    var record = LayerRecord(id: id, parent: parent?.id, created: now())
    record.names = Identifiers.deduplicated(creation.names)
    record.mountLabel = creation.mountLabel
    record.metadata = creation.metadata
    record.flags = creation.flags
    let wanted = creation.mappings ?? parent?.mappings ?? configuration.mappings
    record.mappings = recordedMappings(wanted, parent: parent)
    return (record, parent)
  }

  /// A layer, of an additional store too, that others can stand on; containers' layers cannot.
  func parentLayer(_ key: String, _ layers: RecordTable<LayerRecord>) throws(StoreError)
    -> LayerRecord
  {
    var parent = layers.find(key)
    if parent == nil { parent = try findAdditionalLayer(key)?.record }
    guard let parent else { throw StoreError(.layerUnknown) }
    let isContainers = try containerStore.reading { containers in
      !containers.containers(layer: parent.id).isEmpty
    }
    if isContainers { throw StoreError(.parentIsContainer) }
    return parent
  }

  /// The ID maps that the content of a layer is written with: none where mounts shift ids.
  private func recordedMappings(_ wanted: IDMappings, parent: LayerRecord?) -> IDMappings {
    if wanted.isEmpty || driver.supportsShifting(wanted), parent?.mappings.isEmpty ?? true {
      return IDMappings()
    }
    return wanted
  }

  /// The id asked for, or a random one that nobody has.
  func freshID(_ given: String?, _ isTaken: (String) -> Bool) throws(StoreError) -> String {
    if let given {
      guard Identifiers.isUsable(given) else {
        throw StoreError(.usage, "\(quoted(given)) cannot be an ID: it must be a plain file name")
      }
      return given
    }
    while true {
      let id = Identifiers.newID(randomBytes)
      if !isTaken(id) { return id }
    }
  }

  /// Makes a layer without content of its own: its directory first, its record once.
  ///
  /// `content` is what was copied for it of its parent, if the driver does that and it was done before.
  ///
  /// A kill between leaves a directory that no record names.
  func makeEmpty(
    _ record: LayerRecord, _ data: [BigDataItem], parent: String?, parentMappings: IDMappings,
    volatile: Bool = false, inImageStore: Bool = false, content: StagedContent? = nil,
    _ writer: inout LayerWriter
  ) throws(StoreError) -> LayerRecord {
    var record = record
    // Refuses a used id or name before anything is made.
    try writer.insert(record, volatile: volatile, inImageStore: inImageStore)
    do throws(StoreError) {
      record.bigDataNames = try write(data, toLayer: record.id)
      if let content {
        try driver.create(
          record.id, parent: parent, mappings: record.mappings, parentMappings: parentMappings,
          inImageStore: inImageStore, content: content)
        try driver.synchronizeHome(inImageStore: inImageStore)
      } else {
        try driver.create(
          record.id, parent: parent, mappings: record.mappings, parentMappings: parentMappings,
          inImageStore: inImageStore)
      }
      try writer.update(record.id) { $0 = record }
      try writer.save()
    } catch {
      discard(record.id, &writer)
      throw error
    }
    return record
  }

  /// Streams a tar into a directory, which will be moved to `target`, if that is given, and finds out
  /// what it is.
  func apply(
    _ content: any ByteSource, to diff: FileDescriptor, as target: RawPath?,
    _ tarSplit: TarSplitFile, _ record: LayerRecord, _ expected: LayerExpectation,
    _ progress: ((Int64) -> Void)?
  ) throws(StoreError) -> AppliedLayer {
    let source = expected.limiting(content)
    let options = ApplyOptions(
      mappings: record.mappings, whiteouts: driver.whiteoutForm == .aufs ? .keep : .apply,
      inUserNamespace: isInUserNamespace(),
      ignoreOwnershipErrors: driver.ignoresOwnershipErrors, target: target)
    let sink = try tarSplit.open()
    let applied: AppliedLayer
    do throws(StreamError) {
      applied = try applyLayer(
        source, to: diff, tarSplit: sink, options: options, progress: progress)
    } catch {
      // The names of entries do not say which disk it is that is full.
      let failure = StoreError(error)
      throw failure.isOfFullDisk
        ? failure.wrapped("graph root \(configuration.graphRoot)") : failure
    }
    try expected.check(applied)
    if let (first, count) = applied.devicesLeftOut {
      let others = count > 1 ? " and \(count - 1) more" : ""
      warn(
        "layer \(record.id.prefix(12)): a user namespace may not make devices, left out: "
          + first + others)
    }
    return applied
  }

  /// Everything that was written to the file systems of layers and of records is on the disk.
  func synchronizeFileSystems(_ content: SharedDescriptor, _ records: SharedDescriptor)
    throws(StoreError)
  {
    guard configuration.synchronizesContent else { return }
    try naming("syncfs", configuration.graphRoot) { () throws(Errno) in
      try content.view.synchronizeFileSystem()
      if try content.view.status().device != records.view.status().device {
        try records.view.synchronizeFileSystem()
      }
    }
  }

  /// Undoes a half-made layer.
  ///
  /// What resists stays marked incomplete, for the next who loads.
  func discard(_ id: String, _ writer: inout LayerWriter) {
    do throws(StoreError) {
      try driver.remove(id, later: writer.removals)
      try layerStore.removeOwnFiles(of: id)
      writer.remove(id)
      try writer.save()
    } catch  where error.isOfFullDisk {
      // The error that is thrown says so; a second line would say no more.
    } catch {
      warn("While recovering from a failure, error deleting layer \(quoted(id)): \(error)")
    }
  }

  /// Writes data items of a layer; returns their keys in order.
  func write(_ data: [BigDataItem], toLayer id: String) throws(StoreError) -> [String] {
    for item in data { try layerStore.data(id).write(item.key, item.bytes, kind: "layer") }
    return Identifiers.deduplicated(data.map(\.key))
  }

  /// The time of creation of a record that is made now.
  func now() -> Timestamp {
    let time = FileTime.now
    return Timestamp(seconds: time.seconds, nanoseconds: time.nanoseconds)
  }
}

extension LayerExpectation {
  /// The content, cut where it becomes longer than promised.
  ///
  /// A digest is checked here only if it is not SHA-256, which is computed anyway.
  fileprivate func limiting(_ content: any ByteSource) -> any ByteSource {
    let odd = compressedDigest.flatMap { $0.algorithm == .sha256 ? nil : $0 }
    if compressedSize == nil && odd == nil { return content }
    return VerifyingSource(
      content, digest: odd, size: compressedSize,
      what: "layer content does not match")
  }

  fileprivate func check(_ applied: AppliedLayer) throws(StoreError) {
    if let compressedDigest, compressedDigest.algorithm == .sha256,
      compressedDigest != applied.compressedDigest
    {
      throw StoreError(
        .stream,
        "layer content does not match: digest is \(applied.compressedDigest) instead of \(compressedDigest)"
      )
    }
    if let diffID, diffID != applied.diffID {
      throw StoreError(
        .stream, "layer content does not match: diff ID is \(applied.diffID) instead of \(diffID)")
    }
  }
}

extension LayerRecord {
  /// What applying has found out (storage-format 4.9, step 8).
  mutating func take(_ applied: AppliedLayer) {
    compressedDigest = applied.compressedDigest
    compressedSize = applied.compressedSize
    diffID = applied.diffID
    diffSize = applied.diffSize
    compression = applied.compression
    uids = applied.uids
    gids = applied.gids
  }
}
