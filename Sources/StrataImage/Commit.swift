import StrataDigest
import StrataJSON
public import StrataModel
public import StrataStore
import StrataSystem

/// How a container becomes an image.
public struct CommitOptions {
  /// Names for the image, brought to podman's normal form.
  public var names: [String] = []
  /// A comment for its history.
  public var message: String?
  /// Who made it.
  public var author: String?
  /// Changes to the config, as `CMD ["/bin/sh"]`: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD,
  /// STOPSIGNAL, USER, VOLUME, WORKDIR.
  public var changes: [String] = []
  /// Told of each step.
  public var progress: (any TransferProgress)?

  /// An image without a name.
  public init() {}
}

/// Makes an image of what a container has written on top of its own image.
public func commit(
  container: String, in store: Store, options: CommitOptions = CommitOptions()
) throws(StoreError) -> ImageRecord {
  let names = try options.names.map { name throws(StoreError) in try imageName(name) }
  try store.requireWritable()
  let record = try store.container(container)
  let base = record.image.isEmpty ? nil : try StoredImage(record.image, in: store)
  return try Committer(store: store, container: record, base: base, options: options)
    .run(names: names)
}

/// One commit: the container's layer as a tar, a layer of its own made of that, the image.
private struct Committer {
  let store: Store
  let container: ContainerRecord
  let base: StoredImage?
  let options: CommitOptions

  func run(names: [String]) throws(StoreError) -> ImageRecord {
    // What is wrong with the changes is told before any work.
    var settings = ImageSettings(base?.config.json["config"])
    for change in options.changes { try settings.apply(change) }
    let (spool, diffID, size) = try layerTar()
    let config = try config(adding: diffID, settings)
    return try Interruption.puttingOff { () throws(StoreError) in
      try record(spool, diffID: diffID, size: size, config, names: names)
    }
  }

  /// The new layer and the image; the layer goes again if there can be no image.
  private func record(
    _ spool: Spool, diffID: Digest, size: Int64, _ config: ImageConfig, names: [String]
  ) throws(StoreError) -> ImageRecord {
    try store.awaitImages()
    let (layer, isNew) = try putLayer(spool, diffID: diffID, size: size)
    options.progress?.report(.finishing)
    do throws(StoreError) {
      let manifest = manifest(config, diffID: diffID, size: size)
      let content = ImageContent(
        config: config, configDigest: Digester.digest(of: config.bytes), manifest: manifest,
        manifestDigest: Digester.digest(of: manifest), index: nil, layer: layer.id)
      return try store.write(content, names: names)
    } catch {
      throw isNew ? store.discard([layer], after: error) : error
    }
  }

  /// The tar of what the container wrote.
  ///
  /// It is kept aside, since the layer's id depends on its
  /// digest, and a container that runs on would write another one the second time.
  private func layerTar() throws(StoreError) -> (Spool, Digest, Int64) {
    let layer = try store.layer(container.layer)
    options.progress?.report(.planned([TransferLayer(digest: .ofNothing, size: nil)]))
    options.progress?.report(.started(0))
    let spool = try Spool(in: store.configuration.graphRoot)
    let sink = DigestingSink(spool)
    try store.diff(layer.id, from: layer.parent, compression: Compression.none, to: sink)
    let (digest, size) = sink.finish()
    return (spool, digest, size)
  }

  /// Makes the layer under the id that image-copy code would give it, so that a copy of this image
  /// that comes back shares it; false if it is there already.
  private func putLayer(_ spool: Spool, diffID: Digest, size: Int64) throws(StoreError) -> (
    LayerRecord, Bool
  ) {
    let parent = base?.layers.last?.id
    let id = layerID(parent: parent, diffID: diffID)
    options.progress?.report(.planned([TransferLayer(digest: diffID, size: size)]))
    if let found = try? store.layer(id), found.id == id {
      options.progress?.report(.skipped(0))
      return (found, false)
    }
    let progress = options.progress
    let layer = try store.putLayer(
      LayerCreation(id: id, parent: parent, isReadOnly: true), content: try spool.source(),
      expected: LayerExpectation(diffID: diffID, compressedDigest: diffID, compressedSize: size),
      progress: { progress?.report(.advanced(0, bytes: $0)) })
    options.progress?.report(.finished(0))
    return (layer, true)
  }

  /// The image's config with a layer, a line of history and the caller's changes; all other bytes
  /// stay as they are.
  private func config(adding diffID: Digest, _ settings: ImageSettings) throws(StoreError)
    -> ImageConfig
  {
    let now = FileTime.now
    let created = Timestamp(seconds: now.seconds, nanoseconds: now.nanoseconds).description
    var history: [(String, JSONValue)] = [
      ("created", .string(created)), ("created_by", .string("/bin/sh")),
    ]
    if let author = options.author { history.append(("author", .string(author))) }
    if let comment = options.message
      ?? base.map({ "FROM \($0.record.names.first ?? $0.record.id)" })
    {
      history.append(("comment", .string(comment)))
    }
    let what = "config of the new image"
    var text: JSONText
    do throws(JSONError) {
      text = try JSONText(base?.config.bytes ?? Self.emptyConfig)
      try text.set("created", to: .string(created))
      if let author = options.author { try text.set("author", to: .string(author)) }
      try text.append(to: "rootfs", "diff_ids", value: .string(diffID.description))
      try text.append(to: "history", value: .members(history))
    } catch {
      throw malformed("\(what): \(error)")
    }
    try settings.splice(into: &text)
    return try ImageConfig(text.bytes, what: what)
  }

  /// What an image without a parent starts from.
  private static var emptyConfig: [UInt8] {
    JSONValue.members([
      ("created", .string("")), ("architecture", .string(hostArchitecture)),
      ("os", .string("linux")), ("config", .object([])),
      ("rootfs", .members([("type", .string("layers")), ("diff_ids", .array([]))])),
      ("history", .array([])),
    ]).encoded()
  }

  /// The manifest names all layers as plain tars, as podman's does: their content is in the store,
  /// the blobs that they came as are not.
  private func manifest(_ config: ImageConfig, diffID: Digest, size: Int64) -> [UInt8] {
    var layers: [Descriptor] = []
    if let base {
      for (layer, diffID) in zip(base.layers, base.config.diffIDs) {
        layers.append(
          Descriptor(mediaType: MediaType.ociLayer, digest: diffID, size: layer.diffSize))
      }
    }
    layers.append(Descriptor(mediaType: MediaType.ociLayer, digest: diffID, size: size))
    let pointer = Descriptor(
      mediaType: MediaType.ociConfig, digest: Digester.digest(of: config.bytes),
      size: Int64(config.bytes.count))
    return Manifest.oci(config: pointer, layers: layers, statesType: true)
  }
}
