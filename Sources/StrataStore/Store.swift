public import StrataModel
public import StrataSystem

/// A store of layers, images and containers in one graph root, shared with containers/storage.
public final class Store: Sendable {
  /// Where it is.
  public let configuration: StoreConfiguration

  /// Opens a store; missing directories are made unless the graph root is read-only.
  public init(_ configuration: StoreConfiguration) throws(StoreError) {
    self.configuration = configuration
  }
}

func notYet() -> StoreError { StoreError(.notSupported, "not built yet") }

// MARK: - Looking

extension Store {
  /// All complete layers, in the order of the file; those of additional stores come last.
  public func layers() throws(StoreError) -> [LayerRecord] { throw notYet() }
  /// All images.
  public func images() throws(StoreError) -> [ImageRecord] { throw notYet() }
  /// All containers.
  public func containers() throws(StoreError) -> [ContainerRecord] { throw notYet() }
  /// The layer of this id, name or unique id prefix.
  public func layer(_ key: String) throws(StoreError) -> LayerRecord { throw notYet() }
  /// The image of this id, name or unique id prefix.
  public func image(_ key: String) throws(StoreError) -> ImageRecord { throw notYet() }
  /// The container of this id, name, layer id or unique id prefix.
  public func container(_ key: String) throws(StoreError) -> ContainerRecord { throw notYet() }
  /// The kind and id of what a key names: layers first, then images, then containers.
  public func identify(_ key: String) throws(StoreError) -> (kind: RecordKind, id: String) {
    throw notYet()
  }
  /// The layers whose plain tar has this digest, none being no error.
  public func layers(diffID: Digest) throws(StoreError) -> [LayerRecord] { throw notYet() }
  /// The layers whose blob has this digest, none being no error.
  public func layers(compressedDigest: Digest) throws(StoreError) -> [LayerRecord] {
    throw notYet()
  }
  /// The images that answer to this digest, none being no error.
  public func images(digest: Digest) throws(StoreError) -> [ImageRecord] { throw notYet() }
  /// Ids of records that lie in an additional, read-only store.
  public func readOnlyIDs() throws(StoreError) -> Set<String> { throw notYet() }
}

// MARK: - Making

extension Store {
  /// Makes an empty layer.
  public func createLayer(_ creation: LayerCreation) throws(StoreError) -> LayerRecord {
    throw notYet()
  }
  /// Makes a layer of a tar, plain or compressed.
  ///
  /// Any failure, a broken promise too, leaves nothing.
  public func putLayer(
    _ creation: LayerCreation, content: any ByteSource,
    expected: LayerExpectation = LayerExpectation(), progress: ((Int64) -> Void)? = nil
  ) throws(StoreError) -> LayerRecord { throw notYet() }
  /// Extracts a tar over an existing layer and records its digests; returns the size of the content.
  @discardableResult
  public func applyDiff(to layer: String, content: any ByteSource) throws(StoreError) -> Int64 {
    throw notYet()
  }
  /// Makes an image.
  ///
  /// An id that is taken is the error `duplicateID`.
  public func createImage(_ creation: ImageCreation) throws(StoreError) -> ImageRecord {
    throw notYet()
  }
  /// Makes a container with a layer to write to.
  public func createContainer(_ creation: ContainerCreation) throws(StoreError) -> ContainerRecord {
    throw notYet()
  }
}

// MARK: - Content

extension Store {
  /// Writes a layer's tar: the bytes that it was made of where they are known, else one made of its
  /// upper directory.
  ///
  /// `compression` nil is as recorded.
  public func diff(
    _ layer: String, from: String? = nil, compression: Compression? = nil, to sink: any ByteSink
  ) throws(StoreError) { throw notYet() }
  /// The size of what a layer adds to its parent.
  public func diffSize(_ layer: String, from: String? = nil) throws(StoreError) -> Int64 {
    throw notYet()
  }
  /// The size of an image: its distinct layers and its data items.
  public func imageSize(_ key: String) throws(StoreError) -> Int64 { throw notYet() }
  /// The size of a container: its layer, its data items and its two directories.
  public func containerSize(_ key: String) throws(StoreError) -> Int64 { throw notYet() }
}

// MARK: - Data items, metadata, names

extension Store {
  /// The bytes of an image's data item.
  public func imageData(_ image: String, _ key: String) throws(StoreError) -> [UInt8] {
    throw notYet()
  }
  /// Adds or replaces a data item of an image.
  public func setImageData(_ image: String, _ item: BigDataItem) throws(StoreError) {
    throw notYet()
  }
  /// The bytes of a layer's data item.
  public func layerData(_ layer: String, _ key: String) throws(StoreError) -> [UInt8] {
    throw notYet()
  }
  /// Adds or replaces a data item of a layer.
  public func setLayerData(_ layer: String, _ item: BigDataItem) throws(StoreError) {
    throw notYet()
  }
  /// The bytes of a container's data item.
  public func containerData(_ container: String, _ key: String) throws(StoreError) -> [UInt8] {
    throw notYet()
  }
  /// Adds or replaces a data item of a container.
  public func setContainerData(_ container: String, _ item: BigDataItem) throws(StoreError) {
    throw notYet()
  }
  /// Replaces the metadata text of a record; `kind` nil looks through all kinds.
  public func setMetadata(_ key: String, _ text: String, kind: RecordKind? = nil)
    throws(StoreError)
  { throw notYet() }
  /// The names of a record.
  public func names(_ key: String, kind: RecordKind? = nil) throws(StoreError) -> [String] {
    throw notYet()
  }
  /// Replaces the names of a record; names of others are taken away from them.
  ///
  /// Returns all names.
  @discardableResult
  public func setNames(_ key: String, _ names: [String], kind: RecordKind? = nil)
    throws(StoreError) -> [String]
  { throw notYet() }
  /// Puts names in front of those of a record; names of others are taken away from them.
  @discardableResult
  public func addNames(_ key: String, _ names: [String], kind: RecordKind? = nil)
    throws(StoreError) -> [String]
  { throw notYet() }
  /// Takes names away from a record.
  @discardableResult
  public func removeNames(_ key: String, _ names: [String], kind: RecordKind? = nil)
    throws(StoreError) -> [String]
  { throw notYet() }
}

// MARK: - Mounts and directories

extension Store {
  /// Mounts a layer, or a container's layer, and counts it.
  ///
  /// `options` nil are the configured ones.
  public func mount(_ key: String, options: [String]? = nil, label: String = "")
    throws(StoreError) -> RawPath
  { throw notYet() }
  /// Counts a mount down and unmounts at zero; `force` unmounts at once.
  ///
  /// True if it is gone.
  @discardableResult
  public func unmount(_ key: String, force: Bool = false) throws(StoreError) -> Bool {
    throw notYet()
  }
  /// How many times a layer, or a container's layer, is mounted.
  public func mountCount(_ key: String) throws(StoreError) -> Int { throw notYet() }
  /// Mounts the top layer of an image read-only.
  public func mountImage(_ key: String, options: [String]? = nil, label: String = "")
    throws(StoreError) -> RawPath
  { throw notYet() }
  /// As `unmount` for an image's top layer.
  @discardableResult
  public func unmountImage(_ key: String, force: Bool = false) throws(StoreError) -> Bool {
    throw notYet()
  }
  /// The directory for files that belong to a container; made if missing.
  public func containerDirectory(_ key: String) throws(StoreError) -> RawPath { throw notYet() }
  /// The same in the run root.
  public func containerRunDirectory(_ key: String) throws(StoreError) -> RawPath { throw notYet() }
  /// The directory for files that belong to an image; made if missing.
  public func imageDirectory(_ key: String) throws(StoreError) -> RawPath { throw notYet() }
}

// MARK: - Deleting and closing

extension Store {
  /// Deletes a layer that has no children, images or containers.
  public func deleteLayer(_ key: String) throws(StoreError) { throw notYet() }
  /// Deletes an image and those of its layers that nothing else uses; returns their ids.
  ///
  /// Without `commit` it only says which these would be.
  @discardableResult
  public func deleteImage(_ key: String, commit: Bool = true) throws(StoreError) -> [String] {
    throw notYet()
  }
  /// Deletes a container, its layer and its directories.
  public func deleteContainer(_ key: String) throws(StoreError) { throw notYet() }
  /// Deletes whatever the key names: a container, else an image's record, else a layer.
  public func delete(_ key: String) throws(StoreError) { throw notYet() }
  /// Deletes everything.
  public func wipe() throws(StoreError) { throw notYet() }
  /// Leaves nothing mounted; with mounted layers that needs `force`.
  ///
  /// Returns those still mounted.
  @discardableResult
  public func shutdown(force: Bool = false) throws(StoreError) -> [String] { throw notYet() }
  /// Names and values about the driver, for `status`.
  public func status() throws(StoreError) -> [(String, String)] { throw notYet() }
}
