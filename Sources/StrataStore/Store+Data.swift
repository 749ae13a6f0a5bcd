public import StrataModel
import StrataPersistence

extension Store {
  /// The bytes of an image's data item.
  public func imageData(_ image: String, _ key: String) throws(StoreError) -> [UInt8] {
    guard let (record, store) = try findImage(image) else {
      throw StoreError(.imageUnknown).wrapped("locating image with ID \(quoted(image))")
    }
    return try read(store.data(record.id), key, of: "image", record.id)
  }

  /// Adds or replaces a data item of an image.
  public func setImageData(_ image: String, _ item: BigDataItem) throws(StoreError) {
    try requireWritable()
    let (id, store) = try writableImage(image)
    try store.writing { writer throws(StoreError) in
      try writer.setData(item.key, item.bytes, digest: item.recordedDigest, of: id)
    }
  }

  /// The bytes of a layer's data item.
  public func layerData(_ layer: String, _ key: String) throws(StoreError) -> [UInt8] {
    guard let (record, store) = try findLayer(layer) else { throw StoreError(.layerUnknown) }
    return try read(store.data(record.id), key, of: "layer", record.id)
  }

  /// Adds or replaces a data item of a layer.
  public func setLayerData(_ layer: String, _ item: BigDataItem) throws(StoreError) {
    try requireWritable()
    try layerStore.writing { writer throws(StoreError) in
      let id = writer.find(layer)?.id ?? layer
      try writer.setData(item.key, item.bytes, of: id)
    }
  }

  /// The bytes of a container's data item.
  public func containerData(_ container: String, _ key: String) throws(StoreError) -> [UInt8] {
    try containerStore.data(try self.container(container).id).read(key)
  }

  /// Adds or replaces a data item of a container.
  public func setContainerData(_ container: String, _ item: BigDataItem) throws(StoreError) {
    try requireWritable()
    try containerStore.writing { writer throws(StoreError) in
      guard let id = writer.find(container)?.id else { throw StoreError(.containerUnknown) }
      try writer.setData(item.key, item.bytes, digest: item.recordedDigest, of: id)
    }
  }

  /// Replaces the metadata text of a record; `kind` nil looks through all kinds.
  public func setMetadata(_ key: String, _ text: String, kind: RecordKind? = nil)
    throws(StoreError)
  {
    try requireWritable()
    let found: (kind: RecordKind, id: String)
    do throws(StoreError) {
      found = try locate(key, kind)
    } catch {
      // Here, and not where names change, the peer has these words for it.
      throw kind == nil && error.code == .layerUnknown ? StoreError(.notAnID) : error
    }
    let (kind, id) = found
    switch kind {
    case .layer:
      try layerStore.writing { writer throws(StoreError) in
        try writer.update(id) { $0.metadata = text }
      }
    case .image:
      try writableImage(id).store.writing { writer throws(StoreError) in
        try writer.update(id) { $0.metadata = text }
      }
    case .container:
      try containerStore.writing { writer throws(StoreError) in
        try writer.update(id) { $0.metadata = text }
      }
    }
  }

  /// In the peer's words where the item is not there.
  private func read(_ data: BigDataDirectory, _ key: String, of kind: String, _ id: String)
    throws(StoreError) -> [UInt8]
  {
    do throws(StoreError) {
      return try data.read(key)
    } catch  where error.code == .fileMissing {
      let advice = kind == "image" ? " (consider removing the image to resolve the issue)" : ""
      throw StoreError(.fileMissing).wrapped(
        "locating item named \(quoted(key)) for \(kind) with ID \(quoted(id))\(advice)")
    }
  }
}

// MARK: - Names

extension Store {
  /// The names of a record.
  public func names(_ key: String, kind: RecordKind? = nil) throws(StoreError) -> [String] {
    switch try locate(key, kind) {
    case (.layer, let id): try layer(id).names
    case (.image, let id): try image(id).names
    case (.container, let id): try container(id).names
    }
  }

  /// Replaces the names of a record; who had one of them loses it.
  ///
  /// Returns all its names.
  @discardableResult
  public func setNames(_ key: String, _ names: [String], kind: RecordKind? = nil)
    throws(StoreError) -> [String]
  {
    try changeNames(key, .set, names, kind)
  }

  /// Puts names in front of those of a record; who had one of them loses it.
  ///
  /// Returns all its names.
  @discardableResult
  public func addNames(_ key: String, _ names: [String], kind: RecordKind? = nil)
    throws(StoreError) -> [String]
  {
    try changeNames(key, .add, names, kind)
  }

  /// Takes names away from a record.
  ///
  /// Returns those that it still has.
  @discardableResult
  public func removeNames(_ key: String, _ names: [String], kind: RecordKind? = nil)
    throws(StoreError) -> [String]
  {
    try changeNames(key, .remove, names, kind)
  }

  /// One operation on the record as it is under the lock, so that nobody's names are lost.
  private func changeNames(
    _ key: String, _ operation: NameOperation, _ names: [String], _ kind: RecordKind?
  ) throws(StoreError) -> [String] {
    try requireWritable()
    let (kind, id) = try locate(key, kind)
    switch kind {
    case .layer:
      return try layerStore.writing { writer throws(StoreError) in
        try writer.changeNames(of: id, operation, names)
      }
    case .image:
      return try writableImage(id).store.writing { writer throws(StoreError) in
        try writer.changeNames(of: id, operation, names)
      }
    case .container:
      return try containerStore.writing { writer throws(StoreError) in
        try writer.changeNames(of: id, operation, names)
      }
    }
  }

  /// The kind and id of what a key names, among all kinds or in one.
  func locate(_ key: String, _ kind: RecordKind?) throws(StoreError) -> (RecordKind, String) {
    switch kind {
    case nil:
      let found = try identify(key)
      return (found.kind, found.id)
    case .layer: return (.layer, try layer(key).id)
    case .image: return (.image, try image(key).id)
    case .container: return (.container, try container(key).id)
    }
  }
}
