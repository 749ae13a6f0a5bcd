import StrataDigest
public import StrataModel
import StrataPersistence

extension Store {
  /// Makes an image.
  ///
  /// An id that is taken is the error `duplicateID`, a name that is taken `duplicateName`. The data
  /// items are written before the record that names them, so no record ever lacks its manifest.
  public func createImage(_ creation: ImageCreation) throws(StoreError) -> ImageRecord {
    try requireWritable()
    if let digest = creation.digest {
      try requireReadable(digest, "validating image digest \(quoted(digest.description))")
    }
    // The layer cannot go while the layers' lock is shared.
    return try layerStore.reading { layers throws(StoreError) in
      try createImage(creation, top: try topLayer(creation, layers))
    }
  }

  /// Refuses digests of images that others could not read.
  ///
  /// Debian's containers-storage 1.43 knows SHA-256 alone, and one other digest in images.json keeps
  /// it out of the whole graph root (measured).
  private func requireReadable(_ digest: Digest, _ what: String) throws(StoreError) {
    guard digest.algorithm == .sha256 else {
      throw StoreError(
        .invalidDigest,
        "validating digests for new image: \(what): \(Digest.ParseError.unsupportedAlgorithm)")
    }
  }

  /// The id of the top layer that is asked for.
  private func topLayer(_ creation: ImageCreation, _ layers: LayerState) throws(StoreError)
    -> String?
  {
    guard let key = creation.layer, !key.isEmpty else { return nil }
    if let own = layers.find(key) { return own.id }
    guard let found = try findAdditionalLayer(key) else { throw StoreError(.layerUnknown) }
    return found.record.id
  }

  private func createImage(_ creation: ImageCreation, top: String?) throws(StoreError)
    -> ImageRecord
  {
    let inherited = try namesElsewhere(creation.id)
    return try imageStore.writing { writer throws(StoreError) in
      let id = try freshID(creation.id) { writer.images[$0] != nil }
      var record = ImageRecord(id: id, layer: top, created: creation.created ?? now())
      record.names = creation.names + inherited.filter { writer.images.named($0) == nil }
      record.metadata = creation.metadata
      record.digest = creation.digest
      record.flags = creation.flags
      try writer.insert(record)
      do throws(StoreError) {
        for item in creation.data {
          let what = "validating digest for big data item \(quoted(item.key))"
          try requireReadable(item.recordedDigest, what)
          try writer.setData(item.key, item.bytes, digest: item.recordedDigest, of: id)
        }
        try writer.save()
      } catch {
        try? imageStore.data(id).removeAll()
        throw error
      }
      return writer.images[id] ?? record
    }
  }

  /// The names of the image of this id in an additional store, which the new record hides.
  private func namesElsewhere(_ id: String?) throws(StoreError) -> [String] {
    guard let id else { return [] }
    return try additional.first { store throws(StoreError) in
      try store.images.reading { images in images[id]?.names }
    } ?? []
  }

  /// Waits until images can be recorded, as whoever makes layers for one does first.
  ///
  /// Errors: `.locked` as with any lock.
  public func awaitImages() throws(StoreError) {
    try requireWritable()
    try imageStore.writing { _ in }
  }

  /// The size of an image: its distinct layers and its data items (storage-format 4.11).
  public func imageSize(_ key: String) throws(StoreError) -> Int64 {
    let image = try image(key)
    var total = image.bigDataSizes.values.reduce(0, +)
    var seen: Set<String> = []
    for top in [image.layer].compactMap({ $0 }) + image.mappedLayers {
      var next: String? = top
      while let id = next, seen.insert(id).inserted {
        let layer = try layer(id)
        total += layer.diffID != nil && layer.diffSize >= 0 ? layer.diffSize : try diffSize(id)
        next = layer.parent
      }
    }
    return total
  }
}

extension BigDataItem {
  /// The digest that goes into the record.
  var recordedDigest: Digest { digest ?? Digester.digest(of: bytes) }
}
