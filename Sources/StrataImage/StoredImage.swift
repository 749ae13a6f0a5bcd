import StrataCompression
import StrataDigest
package import StrataModel
package import StrataStore
package import StrataSystem

/// An image in a store with all that a copy of it needs.
package struct StoredImage {
  let store: Store
  package let record: ImageRecord
  package let config: ImageConfig
  package let configDigest: Digest
  /// As the store has it; nil where it has none that can be read.
  package let manifest: Manifest?
  let manifestDigest: Digest?
  /// Lowest first.
  package let layers: [LayerRecord]

  /// Reads everything of an image but its layers' content.
  package init(_ key: String, in store: Store) throws(StoreError) {
    self.store = store
    let record = try Self.find(key, in: store)
    self.record = record
    let what = "image \(record.id.prefix(12))"
    manifest = try? Manifest(
      try store.imageData(record.id, "manifest"), mediaType: "", what: "\(what): manifest")
    manifestDigest = manifest.map { Digester.digest(of: $0.bytes) }
    guard let key = Self.configKey(record, manifest) else {
      throw StoreError(.notSupported, "\(what) has no config: it is no container image")
    }
    configDigest = key
    config = try ImageConfig(
      try store.imageData(record.id, key.description), what: "\(what): config")
    guard digest(of: config.bytes, like: key) == key else {
      throw StoreError(.damaged, "\(what): config \(key) is damaged in the store")
    }
    layers = try Self.chain(record.layer, in: store)
    guard layers.count == config.diffIDs.count else {
      throw StoreError(
        .damaged, "\(what) has \(layers.count) layers and \(config.diffIDs.count) diff IDs")
    }
  }

  /// By id, id prefix or name as it stands, then by the name's normal form.
  private static func find(_ key: String, in store: Store) throws(StoreError) -> ImageRecord {
    do throws(StoreError) {
      return try store.image(key)
    } catch {
      guard error.code == .imageUnknown, let name = try? Reference(normalizing: key).description,
        name != key
      else { throw error }
      return try store.image(name)
    }
  }

  private static func configKey(_ record: ImageRecord, _ manifest: Manifest?) -> Digest? {
    if let config = manifest?.config.digest, record.bigDataNames.contains(config.description) {
      return config
    }
    return record.bigDataNames.lazy.compactMap { try? Digest($0) }.first { $0.hex == record.id }
  }

  /// The layers from the lowest up to `top`.
  ///
  /// Errors: `damaged` where the parents run in a ring.
  package static func chain(_ top: String?, in store: Store) throws(StoreError) -> [LayerRecord] {
    var layers: [LayerRecord] = []
    var seen: Set<String> = []
    var next = top
    while let id = next {
      guard seen.insert(id).inserted else { throw .parentsInARing(id) }
      let layer = try store.layer(id)
      layers.append(layer)
      next = layer.parent
    }
    return layers.reversed()
  }

  /// The name that a copy should carry: the one that it was asked for by, as with `podman save`; nil
  /// where that was an id.
  package func name(askedFor key: String) -> String? {
    if record.names.contains(key) { return key }
    guard let name = try? Reference(normalizing: key).description, record.names.contains(name)
    else { return nil }
    return name
  }
}

/// A layer's blob as it was written out.
package struct WrittenBlob: Sendable {
  package var digest: Digest
  package var size: Int64

  package init(digest: Digest, size: Int64) {
    self.digest = digest
    self.size = size
  }
}

extension StoredImage {
  /// Writes a layer in a compression and verifies that its content is what the config says.
  package func writeLayer(
    _ number: Int, _ compression: Compression, to sink: any ByteSink,
    progress: (any TransferProgress)?
  ) throws(StoreError) -> WrittenBlob {
    try writeLayer(number, through: { Compressor(compression, to: $0) }, to: sink, progress)
  }

  /// Writes a layer through an encoder to a sink, and verifies that its content is what the config says.
  func writeLayer(
    _ number: Int, through compressing: (any ByteSink) throws(StoreError) -> any FinishingSink,
    to sink: any ByteSink, _ progress: (any TransferProgress)?
  ) throws(StoreError) -> WrittenBlob {
    let layer = layers[number]
    let blob = DigestingSink(sink)
    let compressor = try compressing(blob)
    let counter = ProgressSink(compressor, progress, number)
    let plain = DigestingSink(counter)
    progress?.report(.started(number))
    try store.diff(layer.id, from: layer.parent, compression: Compression.none, to: plain)
    try streaming("layer \(layer.id.prefix(12))") { () throws(StreamError) in
      try compressor.finish()
    }
    try verify(number, plain.finish().0)
    progress?.report(.finished(number))
    let (digest, size) = blob.finish()
    return WrittenBlob(digest: digest, size: size)
  }

  /// Writes the blob that a layer came as, where it was kept or is a lazy one's, and verifies that its
  /// content is what the config says; nil, and nothing is written, where no such blob is to be had.
  package func writeOriginalBlob(
    _ number: Int, to sink: any ByteSink, progress: (any TransferProgress)?
  ) throws(StoreError) -> (blob: WrittenBlob, compression: Compression)? {
    let blob = DigestingSink(sink)
    // Its digest and that of its tar were found together when the layer was read.
    if layers[number].diffID == config.diffIDs[number],
      let kept = try store.keptBlob(of: layers[number].id)
    {
      progress?.report(.started(number))
      try streaming("layer \(layers[number].id.prefix(12))") { () throws(StreamError) in
        _ = try kept.copy(to: blob)
      }
      progress?.report(.finished(number))
      let (digest, size) = blob.finish()
      return (WrittenBlob(digest: digest, size: size), layers[number].compression)
    }
    let plain = DigestingSink(ProgressSink(NullSink(), progress, number))
    guard
      let compression = try store.writeOriginalBlob(of: layers[number].id, to: blob, plain: plain)
    else { return nil }
    try verify(number, plain.finish().0)
    progress?.report(.finished(number))
    let (digest, size) = blob.finish()
    return (WrittenBlob(digest: digest, size: size), compression)
  }

  private func verify(_ number: Int, _ diffID: Digest) throws(StoreError) {
    guard diffID != config.diffIDs[number] else { return }
    throw StoreError(
      .damaged,
      "layer \(layers[number].id.prefix(12)) was changed in the store: its content is \(diffID), not "
        + "\(config.diffIDs[number])")
  }
}

/// Compresses on the way to a sink.
final class Compressor: FinishingSink {
  private let target: any ByteSink
  private let gzip: ParallelGzipSink?
  private let zstd: ZstdSink?

  /// Gzip and zstd; anything else passes through.
  init(_ compression: Compression, to sink: any ByteSink) {
    gzip = compression == .gzip ? ParallelGzipSink(to: sink) : nil
    zstd = compression == .zstd ? ZstdSink(to: sink) : nil
    target = gzip ?? zstd ?? sink
  }

  func write(_ bytes: RawSpan) throws(StreamError) { try target.write(bytes) }

  func finish() throws(StreamError) {
    try gzip?.finish()
    try zstd?.finish()
  }
}

/// Tells of the bytes that pass, about once a MiB.
private final class ProgressSink: ByteSink {
  private let target: any ByteSink
  private let progress: (any TransferProgress)?
  private let number: Int
  private var total: Int64 = 0
  private var told: Int64 = 0

  init(_ sink: any ByteSink, _ progress: (any TransferProgress)?, _ number: Int) {
    target = sink
    self.progress = progress
    self.number = number
  }

  func write(_ bytes: RawSpan) throws(StreamError) {
    try target.write(bytes)
    total += Int64(bytes.byteCount)
    guard let progress, total - told >= 1 << 20 else { return }
    told = total
    progress.report(.advanced(number, bytes: total))
  }
}
