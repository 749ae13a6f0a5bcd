import StrataDrivers
import StrataModel
import StrataPersistence
import StrataSystem

/// What a new layer of a driver that copies its parents starts with, copied before any lock is taken.
///
/// Others work in the store meanwhile; whoever makes the layer then finds whether it is still what is
/// wanted. One that nobody took goes with the last reference.
struct ParentCopy {
  private let parent: LayerRecord
  private let mappings: IDMappings
  private let content: StagedContent

  /// Copies a parent; nil where the driver does not copy, or where the copy would have other owners: such
  /// a one is made once for an image, under the lock.
  init?(
    of parent: LayerRecord?, for mappings: IDMappings, inImageStore: Bool = false, in store: Store
  ) throws(StoreError) {
    guard let parent, parent.mappings == mappings, !store.driver.stagesIndependently else {
      return nil
    }
    self.parent = parent
    self.mappings = mappings
    let place = try store.driver.makeTemporaryDirectory(inImageStore: inImageStore)
    content = try store.driver.stage(
      Identifiers.newID(randomBytes), in: place, on: .layer(parent.id), mappings: mappings,
      parentMappings: parent.mappings)
    // So that the wait under the lock is short, whatever the configuration says of imports: what was
    // copied is on the disk before any record says that it is there.
    try naming("syncfs", place.homePath) { () throws(Errno) in
      try place.home.view.synchronizeFileSystem()
    }
  }

  /// The copy, if this is the layer that it was made for; asked under the layers' lock.
  func content(for record: LayerRecord, on parent: LayerRecord?) -> StagedContent? {
    guard let parent, parent.id == self.parent.id, parent.created == self.parent.created,
      parent.diffID == self.parent.diffID, record.mappings == mappings
    else { return nil }
    return content
  }
}
