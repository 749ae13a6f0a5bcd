// Layers of additional layer stores (lazy-layers 1.3; storage-format 6.10): looking them up, making
// layers of them, and writing them out as the blobs that they came as.

import StrataCompression
import StrataDigest
import StrataDrivers
public import StrataModel
import StrataPersistence
public import StrataSystem

extension Store {
  /// Looks for the layer with a blob of this digest in the additional layer stores, one after the other.
  ///
  /// `imageReference` is the full name of the image, as in `quay.io/a/b:tag`; stores that look layers
  /// up by it are passed over without one. A store that does not answer costs one warning and a
  /// bounded wait, and the layer is to be had elsewhere: nil.
  ///
  /// Errors: `.damaged` where a store offers another blob than was asked for.
  public func lookupAdditionalLayer(digest: Digest, imageReference: String?) throws(StoreError)
    -> AdditionalLayer?
  {
    try lookup(digest, imageReference) { (info: LayerRecord) throws(StoreError) in
      guard let found = info.compressedDigest, found != digest else { return }
      throw StoreError(
        .damaged,
        "additional layer for digest \(quoted(digest.description)) reports unexpected digest "
          + quoted(found.description))
    }
  }

  /// As above by the digest of the blob's table of contents, which an image's manifest tells.
  ///
  /// Errors: `.damaged` where a store offers another table than was asked for.
  public func lookupAdditionalLayer(tocDigest: Digest, imageReference: String?)
    throws(StoreError) -> AdditionalLayer?
  {
    try lookup(tocDigest, imageReference) { (info: LayerRecord) throws(StoreError) in
      if info.tocDigest == tocDigest { return }
      throw StoreError(
        .damaged,
        "additional layer for TOCDigest \(quoted(tocDigest.description)) reports unexpected "
          + "TOCDigest \(quoted(info.tocDigest?.description ?? ""))")
    }
  }

  /// Whether there are additional layer stores to look layers up in.
  public var hasAdditionalLayerStores: Bool { !driver.additionalLayerStores.isEmpty }

  /// The additional layer stores of the configuration, and what is wrong with each that does not
  /// answer now.
  public func additionalLayerStores() -> [(path: RawPath, problem: StoreError?)] {
    driver.additionalLayerStores.map { store in
      (store.path, driver.additionalLayerCalls.problem(of: store))
    }
  }

  /// Where the content of a layer is that has no files of its own; nil for any other layer.
  public func additionalLayerPath(_ layer: String) throws(StoreError) -> RawPath? {
    try driver.additionalLayer(of: self.layer(layer).id)?.path
  }

  /// The ids of layers whose content is in an additional layer store.
  public func additionalLayerIDs(among layers: [LayerRecord]) -> Set<String> {
    Set(layers.map(\.id).filter { (try? driver.additionalLayer(of: $0)) != nil })
  }

  private func lookup(
    _ digest: Digest, _ imageReference: String?,
    _ check: (LayerRecord) throws(StoreError) -> Void
  ) throws(StoreError) -> AdditionalLayer? {
    let calls = driver.additionalLayerCalls
    for store in driver.additionalLayerStores {
      guard let place = store.place(of: digest, imageReference: imageReference) else { continue }
      do throws(StoreError) {
        for name: RawPath in ["diff", "info", "blob"] {
          _ = try calls.status(of: name, in: place)
        }
        try calls.take(place)
      } catch {
        // A layer that is not there is no news; that the store is not is.
        if calls.isSilent(store.path) != nil { calls.tell(store.path, error.message) }
        continue
      }
      let record: LayerRecord
      do throws(StoreError) {
        record = try LayerRecord(additionalLayerInfo: calls.info(of: place), from: place.path)
      } catch {
        calls.tell(store.path, error.message)
        calls.release(place)
        continue
      }
      let layer = AdditionalLayer(self, place, record)
      try check(record)
      return layer
    }
    return nil
  }

  /// Makes a layer whose content is at a place of an additional layer store; `fill` completes the
  /// record.
  ///
  /// Marked incomplete until all is there, as any layer.
  func createLayer(
    _ creation: LayerCreation, as place: AdditionalLayerPlace,
    _ fill: (inout LayerRecord) -> Void
  ) throws(StoreError) -> LayerRecord {
    try requireWritable()
    return try layerStore.writing { writer throws(StoreError) in
      var (record, _) = try plan(creation, writer.layers)
      guard record.mappings.isEmpty else {
        throw StoreError(.notSupported).wrapped(
          "additional layer \(place.path): its files have the owners that they have")
      }
      fill(&record)
      record.isIncomplete = true
      try writer.insert(record, inImageStore: creation.isReadOnly)
      do throws(StoreError) {
        try writer.save()
        record.bigDataNames = try write(creation.data, toLayer: record.id)
        try driver.create(
          record.id, as: place, parent: record.parent, inImageStore: creation.isReadOnly)
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
}

// MARK: - Blobs

extension Store {
  /// Writes the blob of a layer: as it is, or in the compression that is asked for, and verified by the
  /// digest that is known of what is written.
  ///
  /// A reference is held meanwhile. False, and nothing is written, where the store has no blob of it.
  func writeBlob(
    of record: LayerRecord, _ place: AdditionalLayerPlace, _ compression: Compression?,
    to sink: any ByteSink
  ) throws(StoreError) -> Bool {
    try driver.additionalLayerCalls.take(place)
    defer { driver.additionalLayerCalls.release(place) }
    guard let source = try openBlob(of: place) else {
      warn(
        "layer \(record.id): the additional layer store \(place.store) has no blob of it: the tar is "
          + "made of its files and may have another digest than it came with")
      return false
    }
    let blob = try streaming { () throws(StreamError) in try SniffedSource(source) }
    guard let compression, compression != blob.compression else {
      let raw = DigestingSink(sink)
      try streaming { () throws(StreamError) in _ = try blob.copy(to: raw) }
      let isPlain = blob.compression == .none
      try record.verify(
        raw.finish().0, record.compressedDigest ?? (isPlain ? record.promisedDiffID : nil))
      return true
    }
    let compressor = try Compressor(compression, to: sink)
    let plain = DigestingSink(compressor.sink)
    try streaming { () throws(StreamError) in
      _ = try DecompressingSource(blob).copy(to: plain)
      try compressor.finish()
    }
    try record.verify(plain.finish().0, record.promisedDiffID)
    return true
  }
}

extension Store {
  /// Writes the blob of a layer of an additional layer store as it came, and its uncompressed bytes to
  /// `plain`; the caller verifies them.
  ///
  /// The blob is verified by its own digest where the record has one. Nil, and nothing is written, where
  /// the layer is an ordinary one or its store has no blob of it.
  package func writeOriginalBlob(
    of layer: String, to sink: any ByteSink, plain: any ByteSink
  ) throws(StoreError) -> Compression? {
    guard let record = try findLayer(layer)?.record,
      let place = try driver.additionalLayer(of: record.id)
    else { return nil }
    try driver.additionalLayerCalls.take(place)
    defer { driver.additionalLayerCalls.release(place) }
    // Who makes the tar of its files instead says so.
    guard let source = try openBlob(of: place) else { return nil }
    let raw = DigestingSink(sink)
    let compression = try streaming { () throws(StreamError) in
      let blob = CopyingSource(source, to: raw)
      let opened = try DecompressingSource(blob)
      _ = try opened.copy(to: plain)
      // What stands behind the last member belongs to the blob.
      _ = try blob.copy(to: NullSink())
      return opened.compression
    }
    try record.verify(
      raw.finish().0,
      record.compressedDigest ?? (compression == .none ? record.promisedDiffID : nil))
    return compression
  }

  /// The blob that a layer's store has of it, read while a reference is held; nil where it has none.
  private func openBlob(of place: AdditionalLayerPlace) throws(StoreError) -> (any ByteSource)? {
    do throws(StoreError) {
      return try driver.additionalLayerCalls.blob(of: place)
    } catch {
      guard error.errno == .noSuchFileOrDirectory else { throw error }
      return nil
    }
  }
}

extension LayerRecord {
  /// Throws if a digest that was found is not the one that is expected, where that is one that was
  /// computed.
  fileprivate func verify(_ found: Digest, _ expected: Digest?) throws(StoreError) {
    guard let expected, expected.algorithm == found.algorithm, expected != found else { return }
    throw StoreError(.stream, "layer \(id): content has digest \(found) instead of \(expected)")
  }
}
