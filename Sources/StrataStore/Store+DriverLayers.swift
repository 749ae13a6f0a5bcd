import StrataDrivers
public import StrataModel
import StrataPersistence
import StrataSystem

// Layers as the driver knows them, whatever the records say.
extension Store {
  /// The ids of all layers that the driver has directories of, recorded or not.
  public func driverLayers() throws(StoreError) -> [String] { try driver.layers() }

  /// Makes a layer's directory without a record: what a killed process may leave, for tests of
  /// `check` and `gc`.
  ///
  /// - Returns: Its id.
  public func createDriverLayer(
    id: String? = nil, parent: String? = nil, mappings: IDMappings = IDMappings(),
    isReadOnly: Bool = false
  ) throws(StoreError) -> String {
    try requireWritable()
    return try layerStore.writing { layers throws(StoreError) in
      let id = try freshID(id) { layers.layers[$0] != nil }
      if layers.layers[id] != nil { throw StoreError(.duplicateID) }
      var below: String?
      if let parent, !parent.isEmpty {
        below = layers.find(parent)?.id ?? parent
        if let below, !driver.exists(below) { throw StoreError(.driverLayerUnknown) }
      }
      let above = below.flatMap { layers.layers[$0] }?.mappings ?? mappings
      try driver.create(
        id, parent: below, mappings: mappings, parentMappings: above, inImageStore: isReadOnly)
      return id
    }
  }
}
