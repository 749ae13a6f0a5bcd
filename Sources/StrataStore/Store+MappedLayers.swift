// Layers whose content has the owners of other ID maps than that of the layer they stand for: where
// mounts cannot shift ids, a container's image is copied once for each set of maps
// (storage-format 4.6).

import StrataDrivers
public import StrataModel
import StrataPersistence
import StrataSystem

extension Store {
  /// The layer of an image that something with these maps can stand on: one without maps where mounts
  /// shift ids, one with exactly these, else a copy made now, which the image's record keeps.
  ///
  /// Where the image or its layer is of an additional store no copy can be kept: then the first layer
  /// is given, and whoever stands on it has its own content owned anew. Nil for an image without layers.
  func topLayer(of image: ImageRecord, for mappings: IDMappings, _ layers: inout LayerWriter)
    throws(StoreError) -> LayerRecord?
  {
    let (found, first) = try knownTopLayer(of: image, for: mappings, layers.layers)
    if let found { return found }
    guard let first else {
      if image.layer?.isEmpty ?? true { return nil }
      throw StoreError(.layerUnknown)
    }
    let store = try findImage(image.id)?.store
    guard let store, !store.isReadOnly, layers.layers[first.id] != nil else { return first }
    let copy = try copyLayer(first, for: mappings, &layers)
    do throws(StoreError) {
      try store.writing { images throws(StoreError) in
        try images.update(image.id) { $0.mappedLayers.append(copy.id) }
      }
    } catch {
      discard(copy.id, &layers)
      throw error
    }
    return copy
  }

  /// The layer of an image that is there for these maps, and else the first of those that it has.
  func knownTopLayer(
    of image: ImageRecord, for mappings: IDMappings, _ layers: RecordTable<LayerRecord>
  ) throws(StoreError) -> (found: LayerRecord?, first: LayerRecord?) {
    var first: LayerRecord?
    for id in [image.layer].compactMap({ $0 }) + image.mappedLayers where !id.isEmpty {
      var layer = layers[id]
      if layer == nil { layer = try findAdditionalLayer(id)?.record }
      guard let layer else { continue }
      let shifts = layer.mappings.isEmpty && driver.supportsShifting(mappings)
      if shifts || layer.mappings == mappings { return (layer, layer) }
      first = first ?? layer
    }
    return (nil, first)
  }

  /// Content from outside comes upon a parent with the same ID maps, where the driver does not copy its
  /// parents anyway.
  func refuseOtherMappings(_ record: LayerRecord, _ parent: LayerRecord?) throws(StoreError) {
    guard let parent, parent.mappings != record.mappings, driver.whiteoutForm != .applied else {
      return
    }
    throw StoreError(.notSupported).wrapped(
      "layer \(parent.id) has other ID maps: make an empty layer with create-layer first, "
        + "then applydiff the content to it")
  }

  /// Makes the home ready for the mount through which content gets other owners, where mounts do not
  /// shift ids.
  ///
  /// Before the layers' lock, since it takes the graph lock. `mappings` nil are still unknown.
  func prepareToOwnAnew(_ mappings: IDMappings?) throws(StoreError) {
    if let mappings, mappings.isEmpty || driver.supportsShifting(mappings) { return }
    let hold = try graphLock.exclusive()
    try driver.prepareForMounts()
    _ = consume hold
  }

  /// A layer with the content, digests and tar-split of another one, and its own owners.
  private func copyLayer(
    _ template: LayerRecord, for mappings: IDMappings, _ layers: inout LayerWriter
  ) throws(StoreError) -> LayerRecord {
    var copy = template
    copy.id = try freshID(nil) { layers.layers[$0] != nil }
    copy.names = []
    copy.bigDataNames = []
    copy.mappings = mappings
    copy.created = now()
    let made = try makeEmpty(
      copy, [], parent: template.id, parentMappings: template.mappings, &layers)
    let (from, to) = (layerStore.tarSplitPath(template.id), layerStore.tarSplitPath(copy.id))
    do throws(StoreError) {
      try naming("copy", from) { () throws(Errno) in
        let here = FileDescriptor.workingDirectory
        guard try here.exists(from) else { return }
        let source = try here.open(from, .readOnly)
        let target = try here.open(to, [.writeOnly, .create, .exclusive], mode: 0o600)
        try source.view.copyContents(to: target.view, length: source.view.status().size)
        try target.view.synchronizeData()
        try target.close()
      }
    } catch {
      discard(copy.id, &layers)
      throw error
    }
    return made
  }

  /// The owners of the directories above a layer's mount that its ID maps do not know, sorted.
  ///
  /// Errors: `.layerNotMounted` for a layer with maps that is not mounted.
  public func parentOwners(_ layer: String) throws(StoreError) -> (uids: [UInt32], gids: [UInt32]) {
    let record = try self.layer(layer)
    if record.mappings.isEmpty { return ([], []) }
    guard let point = try mountPoints()[record.id] else { throw StoreError(.layerNotMounted) }
    var uids: Set<UInt32> = []
    var gids: Set<UInt32> = []
    var path = RawPath(point).parent
    while !path.isEmpty {
      let status = try naming("stat", path) { () throws(Errno) in
        try FileDescriptor.workingDirectory.status(of: path)
      }
      let maps = record.mappings
      let user = IDMappings(uids: maps.uids).toContainer(uid: status.uid, gid: 0)
      let group = IDMappings(gids: maps.gids).toContainer(uid: 0, gid: status.gid)
      if user == nil { uids.insert(status.uid) }
      if group == nil { gids.insert(status.gid) }
      if path == "/" { break }
      path = path.parent
    }
    return (uids.sorted(), gids.sorted())
  }
}
