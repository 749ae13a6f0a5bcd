public import StrataModel
import StrataPersistence

extension Store {
  /// All complete layers in the order of the file; those of additional stores come last.
  public func layers() throws(StoreError) -> [LayerRecord] {
    try joined(layerStore.reading { state in state.layers.records }, \.id) {
      store throws(StoreError) in
      try store.layers.reading { state in state.layers.records }
    }
  }

  /// All images in the order of the file; those of additional stores come last.
  public func images() throws(StoreError) -> [ImageRecord] {
    var own: [ImageRecord] = []
    for store in ownImageStores {
      let records = try store.reading { images in images.records }
      let seen = Set(own.map(\.id))
      own += records.filter { !seen.contains($0.id) }
    }
    return try joined(own, \.id) { store throws(StoreError) in
      try store.images.reading { images in images.records }
    }
  }

  /// All containers in the order of the file.
  public func containers() throws(StoreError) -> [ContainerRecord] {
    try containerStore.reading { containers in containers.records }
  }

  /// The layer of this id, name or unique id prefix.
  public func layer(_ key: String) throws(StoreError) -> LayerRecord {
    guard let found = try findLayer(key) else { throw StoreError(.layerUnknown) }
    return found.record
  }

  /// The image of this id, name or unique id prefix.
  public func image(_ key: String) throws(StoreError) -> ImageRecord {
    guard let found = try findImage(key) else {
      throw StoreError(.imageUnknown).wrapped("locating image with ID \(quoted(key))")
    }
    return found.record
  }

  /// The container of this id, name, layer id or unique id prefix.
  public func container(_ key: String) throws(StoreError) -> ContainerRecord {
    let found = try containerStore.reading { containers in containers.findContainer(key) }
    guard let found else { throw StoreError(.containerUnknown) }
    return found
  }

  /// The kind and id of what a key names: layers first, then images, then containers.
  public func identify(_ key: String) throws(StoreError) -> (kind: RecordKind, id: String) {
    if let found = try findLayer(key) { return (.layer, found.record.id) }
    if let found = try findImage(key) { return (.image, found.record.id) }
    let container = try containerStore.reading { containers in containers.findContainer(key) }
    guard let container else { throw StoreError(.layerUnknown) }
    return (.container, container.id)
  }

  /// What has the key as its id or name: a container, else an image, else a layer.
  public func identify(exactly key: String) throws(StoreError) -> (kind: RecordKind, id: String)? {
    let container = try containerStore.reading { containers in
      containers[key] ?? containers.named(key)
    }
    if let container { return (.container, container.id) }
    if let image = try findImage(key)?.record, image.id == key || image.names.contains(key) {
      return (.image, image.id)
    }
    if let layer = try findLayer(key)?.record, layer.id == key || layer.names.contains(key) {
      return (.layer, layer.id)
    }
    return nil
  }

  /// The layers whose plain tar has this digest, none being no error.
  public func layers(diffID: Digest) throws(StoreError) -> [LayerRecord] {
    try layers().filter { $0.diffID == diffID }
  }

  /// The layers whose blob has this digest, none being no error.
  public func layers(compressedDigest: Digest) throws(StoreError) -> [LayerRecord] {
    try layers().filter { $0.compressedDigest == compressedDigest }
  }

  /// The images that answer to this digest, none being no error.
  public func images(digest: Digest) throws(StoreError) -> [ImageRecord] {
    try images().filter { $0.digests.contains(digest) }
  }

  /// The ids of layers and images that lie in an additional, read-only store alone.
  public func readOnlyIDs() throws(StoreError) -> Set<String> {
    var ids: Set<String> = []
    try additional.forEach { store throws(StoreError) in
      try store.layers.reading { state in state.layers.forEach { ids.insert($0.id) } }
    }
    try additional.forEach { store throws(StoreError) in
      try store.images.reading { images in images.forEach { ids.insert($0.id) } }
    }
    if ids.isEmpty { return ids }
    try layerStore.reading { state in ids.subtract(state.layers.ids) }
    for store in ownImageStores { try store.reading { images in ids.subtract(images.ids) } }
    return ids
  }

  private func joined<Record>(
    _ own: [Record], _ id: KeyPath<Record, String>,
    _ others: (AdditionalStore) throws(StoreError) -> [Record]
  ) throws(StoreError) -> [Record] {
    if additional.isEmpty { return own }
    var result = own
    var seen = Set(own.map { $0[keyPath: id] })
    try additional.forEach { store throws(StoreError) in
      result += try others(store).filter { seen.insert($0[keyPath: id]).inserted }
    }
    return result
  }
}

// MARK: - Finding with the place

extension Store {
  /// A layer and the store that has it.
  func findLayer(_ key: String) throws(StoreError) -> (record: LayerRecord, store: LayerStore)? {
    let own = try layerStore.reading { state in state.find(key) }
    if let own { return (own, layerStore) }
    return try findAdditionalLayer(key)
  }

  /// As above, for a caller that holds the own store's lock and has looked there.
  func findAdditionalLayer(_ key: String) throws(StoreError) -> (
    record: LayerRecord, store: LayerStore
  )? {
    try additional.first { store throws(StoreError) in
      try store.layers.reading { state in state.find(key) }.map { ($0, store.layers) }
    }
  }

  /// An image and the store that has it.
  ///
  /// A match in an additional store does not count if the own store has a record of that id: its
  /// names were changed there (storage-format 4.1).
  func findImage(_ key: String) throws(StoreError) -> (record: ImageRecord, store: ImageStore)? {
    var own: [RecordTable<ImageRecord>] = []
    for store in ownImageStores {
      let images = try store.reading { images in images }
      if let found = images.find(key) { return (found, store) }
      own.append(images)
    }
    return try additional.first { store throws(StoreError) in
      let found = try store.images.reading { images in images.find(key) }
      guard let found, own.allSatisfy({ $0[found.id] == nil }) else { return nil }
      return (found, store.images)
    }
  }

  /// The image stores that are written, the one for new images first.
  var ownImageStores: [ImageStore] { [imageStore] + [graphImages].compactMap { $0 } }
}
