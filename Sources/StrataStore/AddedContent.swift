import StrataArchive
import StrataDrivers
import StrataModel
import StrataPersistence
import StrataSystem

/// A tar that was read to its end, in a file without a name that goes with this value.
struct SpooledContent {
  let file: SharedDescriptor
  /// Where the file is, for messages.
  let root: RawPath

  /// The tar from its beginning; one at a time, since they share the place in the file.
  func source() throws(StoreError) -> FileSource {
    try naming("seek", root) { () throws(Errno) in
      _ = try file.view.seek(0)
      return FileSource(try file.view.duplicate(), name: root)
    }
  }
}

/// What will be the content of a layer that is there and empty, written aside while no lock is held.
struct AddedContent {
  private let layer: LayerRecord
  private let store: Store
  private let staged: StagedContent
  let tarSplit: TarSplitFile
  let applied: AppliedLayer

  /// Nil where the content must be written over what the layer holds, or where others would not see that
  /// it is another directory.
  init?(
    _ content: FileSource, for layer: LayerRecord, in store: Store, _ place: TemporaryDirectory
  ) throws(StoreError) {
    let isFree = try store.layerStore.reading { state throws(StoreError) in
      Self.isFree(layer.id, state.layers, store)
    }
    guard isFree, store.driver.stagesIndependently,
      try store.driver.additionalLayer(of: layer.id) == nil,
      try store.driver.diffSize(layer.id) == 0
    else { return nil }
    var staged = try store.driver.stage(
      layer.id, in: store.driver.makeTemporaryDirectory(inImageStore: false), on: nil,
      mappings: layer.mappings, parentMappings: layer.mappings)
    tarSplit = TarSplitFile(in: place)
    let directory = try staged.open()
    applied = try store.apply(
      content, to: directory.view, as: staged.target, tarSplit, layer, LayerExpectation(), nil)
    staged.rootIsGiven = applied.rootIsGiven
    try store.synchronizeFileSystems(directory, place.home)
    self.layer = layer
    self.store = store
    self.staged = staged
  }

  /// Puts the content into its place, or leaves it where that is no longer empty; under the layers' write
  /// lock.
  func move(to record: LayerRecord, _ writer: borrowing LayerWriter) throws(StoreError) -> Bool {
    guard record.id == layer.id, record.mappings == layer.mappings,
      Self.isFree(record.id, writer.layers, store)
    else { return false }
    return try store.driver.replaceEmpty(record.id, with: staged)
  }

  /// Whether nothing shows the layer.
  private static func isFree(_ id: String, _ layers: RecordTable<LayerRecord>, _ store: Store)
    -> Bool
  {
    layers[id] != nil && layers.children(of: id).isEmpty
      && !store.driver.isMounted(at: store.driver.mountPoint(of: id))
  }
}
