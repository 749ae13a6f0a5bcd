import StrataDigest
import StrataJSON
import StrataModel
import StrataStore

/// An image whose layers are in the store, ready to be recorded.
struct ImageContent {
  var config: ImageConfig
  var configDigest: Digest
  var manifest: [UInt8]
  var manifestDigest: Digest
  /// The index that led to the manifest.
  var index: (bytes: [UInt8], digest: Digest)?
  /// The id of the top layer.
  var layer: String?

  /// The id that container tools give it.
  var id: String { configDigest.hex }

  /// What podman 4.3 keeps of the signatures: their sizes by manifest, none here (storage-format 2.3).
  var metadata: String {
    JSONValue.members([
      ("signatures-sizes", .members([(manifestDigest.description, .array([]))]))
    ]).text()
  }

  /// The items in podman's order: the config under its digest, the index and the manifest under
  /// theirs, the manifest under its old key, and the empty list of signatures.
  var items: [BigDataItem] {
    var items = [BigDataItem(configDigest.description, config.bytes)]
    if let index {
      items.append(BigDataItem("manifest-\(index.digest)", index.bytes, digest: index.digest))
    }
    items.append(BigDataItem("manifest-\(manifestDigest)", manifest, digest: manifestDigest))
    items.append(BigDataItem("manifest", manifest, digest: manifestDigest))
    items.append(BigDataItem("signature-\(manifestDigest.hex)", []))
    return items
  }
}

extension Store {
  /// Records an image and its names; one with the same id is brought up to date instead.
  func write(_ content: ImageContent, names: [String]) throws(StoreError) -> ImageRecord {
    do throws(StoreError) {
      // Made without a name: only a name operation takes it from others and fills the history.
      let record = try createImage(
        ImageCreation(
          id: content.id, layer: content.layer, metadata: content.metadata,
          created: content.config.created, digest: content.index?.digest ?? content.manifestDigest,
          data: content.items))
      do throws(StoreError) {
        return try name(record.id, names)
      } catch {
        try? deleteRecord(record.id)
        throw error
      }
    } catch {
      guard error.code == .duplicateID else { throw error }
    }
    return try update(content, names: names)
  }

  /// The same config under another manifest: the record keeps its digest, layer and time (measured
  /// with podman 4.3).
  ///
  /// Items that are damaged on the disk are written again.
  private func update(_ content: ImageContent, names: [String]) throws(StoreError) -> ImageRecord {
    let old = try image(content.id)
    guard old.id == content.id, old.layer == content.layer else {
      throw StoreError(
        .duplicateID,
        "image with ID \(quoted(content.id)) already exists, but uses a different top layer: "
          + StoreError.Code.duplicateID.text)
    }
    for item in content.items {
      let digest = item.digest ?? Digester.digest(of: item.bytes)
      let isConfig = item.key == content.configDigest.description
      if isConfig || old.bigDataDigests[item.key] == digest {
        if (try? imageData(old.id, item.key)) == item.bytes { continue }
      }
      try setImageData(old.id, item)
    }
    if old.metadata != content.metadata {
      try setMetadata(old.id, content.metadata, kind: .image)
    }
    return try name(old.id, names)
  }

  /// Gives names to an image, the first of the list in front.
  private func name(_ id: String, _ names: [String]) throws(StoreError) -> ImageRecord {
    if !names.isEmpty { try addNames(id, names, kind: .image) }
    return try image(id)
  }

  /// Takes the record of an image away and leaves its layers to the caller.
  private func deleteRecord(_ id: String) throws(StoreError) { try delete(id) }
}
