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
    return try layerStore.writing { writer throws(StoreError) in
      let (record, parentMappings) = try plan(creation, &writer)
      return try makeEmpty(
        record, creation.data, parent: record.parent, parentMappings: parentMappings,
        inImageStore: creation.isReadOnly, &writer)
    }
  }

  /// Makes a layer of a tar, plain or compressed.
  ///
  /// The record is in layers.json, marked incomplete, before anything else is made, and loses the mark
  /// last, when all is on the disk; any failure, a broken promise too, leaves nothing. Where a full
  /// disk does not let the record be taken out it stays marked, and whoever loads the layers next
  /// removes it (storage-format 4.3).
  public func putLayer(
    _ creation: LayerCreation, content: any ByteSource,
    expected: LayerExpectation = LayerExpectation(), progress: ((Int64) -> Void)? = nil
  ) throws(StoreError) -> LayerRecord {
    try requireWritable()
    return try layerStore.writing { writer throws(StoreError) in
      var (record, parentMappings) = try plan(creation, &writer)
      record.isIncomplete = true
      try writer.insert(record, inImageStore: creation.isReadOnly)
      do throws(StoreError) {
        try writer.save()
        record.bigDataNames = try write(creation.data, toLayer: record.id)
        try driver.create(
          record.id, parent: record.parent, mappings: record.mappings,
          parentMappings: parentMappings, inImageStore: creation.isReadOnly)
        try fill(&record, content, expected, progress)
        record.isIncomplete = false
        try writer.update(record.id) { $0 = record }
        try writer.save()
      } catch {
        discard(record.id, &writer)
        throw error
      }
      return record
    }
  }

  /// Extracts a tar over an existing layer and records its digests; returns the size of the content.
  ///
  /// On failure the record stays as it was, what was extracted stays too, as with the peer.
  @discardableResult
  public func applyDiff(to layer: String, content: any ByteSource) throws(StoreError) -> Int64 {
    try requireWritable()
    return try layerStore.writing { writer throws(StoreError) in
      guard var record = writer.find(layer) else { throw StoreError(.layerUnknown) }
      let size = try fill(&record, content, LayerExpectation(), nil)
      try writer.update(record.id) { $0 = record }
      try writer.save()
      return size
    }
  }
}

// MARK: - Steps, under the layers' write lock

extension Store {
  /// The record of a layer to be made, after every check that needs no change, and the ID maps of its
  /// parent.
  func plan(_ creation: LayerCreation, _ writer: inout LayerWriter) throws(StoreError) -> (
    LayerRecord, parentMappings: IDMappings
  ) {
    var parent: LayerRecord?
    if let key = creation.parent, !key.isEmpty {
      parent = writer.find(key)
      if parent == nil { parent = try findAdditionalLayer(key)?.record }
      guard let parent else { throw StoreError(.layerUnknown) }
      let isContainers = try containerStore.reading { containers in
        !containers.containers(layer: parent.id).isEmpty
      }
      if isContainers { throw StoreError(.parentIsContainer) }
    }
    let id = try freshID(creation.id) { writer.layers[$0] != nil }
    var record = LayerRecord(id: id, parent: parent?.id, created: now())
    record.names = Identifiers.deduplicated(creation.names)
    record.mountLabel = creation.mountLabel
    record.metadata = creation.metadata
    record.flags = creation.flags
    let wanted = creation.mappings ?? parent?.mappings ?? configuration.mappings
    record.mappings = try recordedMappings(wanted, parent: parent)
    return (record, parent?.mappings ?? record.mappings)
  }

  /// The ID maps that the content of a layer is written with: none where mounts shift ids.
  private func recordedMappings(_ wanted: IDMappings, parent: LayerRecord?) throws(StoreError)
    -> IDMappings
  {
    if wanted.isEmpty || driver.supportsShifting(wanted), parent?.mappings.isEmpty ?? true {
      return IDMappings()
    }
    if let parent, parent.mappings != wanted, driver.whiteoutForm != .applied {
      throw StoreError(.notSupported).wrapped(
        "layer \(parent.id) has other ID maps: copying layers to new maps")
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

  /// Makes a layer without content: its directory first, its record once.
  ///
  /// A kill between leaves a directory that no record names.
  func makeEmpty(
    _ record: LayerRecord, _ data: [BigDataItem], parent: String?, parentMappings: IDMappings,
    volatile: Bool = false, inImageStore: Bool = false, _ writer: inout LayerWriter
  ) throws(StoreError) -> LayerRecord {
    var record = record
    // Refuses a used id or name before anything is made.
    try writer.insert(record, volatile: volatile, inImageStore: inImageStore)
    do throws(StoreError) {
      record.bigDataNames = try write(data, toLayer: record.id)
      try driver.create(
        record.id, parent: parent, mappings: record.mappings, parentMappings: parentMappings,
        inImageStore: inImageStore)
      try writer.update(record.id) { $0 = record }
      try writer.save()
    } catch {
      discard(record.id, &writer)
      throw error
    }
    return record
  }

  /// Streams a tar into a layer's directory and takes what it was found to be into the record.
  ///
  /// All of it is on the disk when this returns.
  @discardableResult
  private func fill(
    _ record: inout LayerRecord, _ content: any ByteSource, _ expected: LayerExpectation,
    _ progress: ((Int64) -> Void)?
  ) throws(StoreError) -> Int64 {
    let diff = try driver.openDiff(record.id)
    let tarSplit = try TarSplitFile(
      layerStore.tarSplitPath(record.id), isReplacing: !record.isIncomplete)
    let source = expected.limiting(content)
    let options = ApplyOptions(
      mappings: record.mappings, whiteouts: driver.whiteoutForm == .aufs ? .keep : .apply,
      inUserNamespace: isInUserNamespace(),
      ignoreOwnershipErrors: driver.ignoresOwnershipErrors)
    let applied: AppliedLayer
    do throws(StreamError) {
      applied = try applyLayer(
        source, to: diff.view, tarSplit: tarSplit.sink, options: options, progress: progress)
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
    try tarSplit.finish()
    try naming("syncfs", configuration.graphRoot) { () throws(Errno) in
      try diff.view.synchronizeFileSystem()
    }
    record.take(applied)
    return applied.contentSize
  }

  /// Undoes a half-made layer.
  ///
  /// What resists stays marked incomplete, for the next who loads.
  func discard(_ id: String, _ writer: inout LayerWriter) {
    do throws(StoreError) {
      try driver.remove(id)
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
  fileprivate mutating func take(_ applied: AppliedLayer) {
    compressedDigest = applied.compressedDigest
    compressedSize = applied.compressedSize
    diffID = applied.diffID
    diffSize = applied.diffSize
    compression = applied.compression
    uids = applied.uids
    gids = applied.gids
  }
}
