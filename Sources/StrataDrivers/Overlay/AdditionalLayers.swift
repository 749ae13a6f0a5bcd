// Layers whose content is in an additional layer store: an ordinary layer's directory in which `diff`
// is a link into the store and `additionallayer` names the layer's directory there (storage-format
// 6.10; lazy-layers 1.3).

package import StrataModel
import StrataPersistence
import StrataSystem

/// What a driver knows of additional layer stores; one that knows nothing has no such layers.
package protocol AdditionalLayering: Sendable {
  /// The stores of the configuration, in the order in which they are asked.
  var additionalLayerStores: [AdditionalLayerStore] { get }
  /// Asks them.
  var additionalLayerCalls: AdditionalLayerCalls { get }
  /// Where the content of a layer is, or nil for a layer that has its own files.
  ///
  /// The store itself is not asked.
  func additionalLayer(of id: String) throws(StoreError) -> AdditionalLayerPlace?
  /// Makes the directory of a layer whose content is in a store, and takes a reference there.
  func create(
    _ id: String, as place: AdditionalLayerPlace, parent: String?, inImageStore: Bool
  ) throws(StoreError)
}

extension OverlayDriver {
  package var additionalLayerStores: [AdditionalLayerStore] { options.additionalLayerStores }

  package func additionalLayer(of id: String) throws(StoreError) -> AdditionalLayerPlace? {
    try directory(of: id).additionalLayer()
  }

  package func create(
    _ id: String, as place: AdditionalLayerPlace, parent: String?, inImageStore: Bool
  ) throws(StoreError) {
    let maps = IDMappings()
    try create(
      id, parent: parent, mappings: maps, parentMappings: maps, inImageStore: inImageStore)
    let layer = try ownDirectory(of: id)
    var isUnnoted = false
    do throws(StoreError) {
      // The reference first: with the file in place whoever removes the layer gives one back.
      try additionalLayerCalls.take(place)
      isUnnoted = true
      try layer.replaceFile(LayerFile.additionalLayer, place.path)
      isUnnoted = false
      let diff = layer.id.appending(LayerFile.diff)
      try naming("symlink", layer.path.appending(LayerFile.diff)) { () throws(Errno) in
        try layer.home.view.removeDirectory(diff)
        try layer.home.view.makeSymlink(diff, to: place.diff)
      }
    } catch {
      try? remove(id)
      if isUnnoted { additionalLayerCalls.release(place) }
      throw error
    }
  }

  /// Mode and owner of a layer's `diff`, for its children.
  func root(of layer: LayerDirectory) throws(StoreError) -> LayerDirectory.Root {
    guard let place = try layer.additionalLayer() else { return try layer.root() }
    let status = try additionalLayerCalls.status(of: LayerFile.diff, in: place)
    return LayerDirectory.Root(
      mode: status.mode & 0o7777, uid: status.uid, gid: status.gid)
  }
}
