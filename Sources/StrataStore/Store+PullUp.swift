// Images of additional stores cannot be written. Who changes one gets a copy of its record, names
// and data in the own store, which hides the other from then on (storage-format 4.4).

import StrataModel
import StrataPersistence

extension Store {
  /// The id of an image and a store in which it may be changed, after a pull-up where that is needed.
  func writableImage(_ key: String) throws(StoreError) -> (id: String, store: ImageStore) {
    guard let (record, store) = try findImage(key) else {
      throw StoreError(.imageUnknown).wrapped("locating image with ID \(quoted(key))")
    }
    if !store.isReadOnly { return (record.id, store) }
    try pullUp(record, from: store)
    return (record.id, imageStore)
  }

  /// Copies an image of an additional store: first the items, then the record that names them.
  ///
  /// A name that an own image has stays there.
  private func pullUp(_ image: ImageRecord, from store: ImageStore) throws(StoreError) {
    try requireWritable()
    try imageStore.writing { writer throws(StoreError) in
      // Another process may have been faster.
      guard writer.images[image.id] == nil else { return }
      var record = image
      record.names = image.names.filter { writer.images.named($0) == nil }
      record.bigDataNames = []
      record.bigDataSizes = [:]
      record.bigDataDigests = [:]
      try writer.insert(record)
      do throws(StoreError) {
        for key in image.bigDataNames {
          let bytes = try store.data(image.id).read(key)
          let item = BigDataItem(key, bytes, digest: image.bigDataDigests[key])
          try writer.setData(key, bytes, digest: item.recordedDigest, of: image.id)
        }
        try writer.save()
      } catch {
        try? imageStore.data(image.id).removeAll()
        throw error.wrapped("copying image \(image.id) from \(store.directory)")
      }
    }
  }
}
