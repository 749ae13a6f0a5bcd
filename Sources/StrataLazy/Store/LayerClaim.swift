import StrataArchive
import StrataJSON
import StrataModel
import StrataSystem

/// A layer as an image's manifest and config describe it, looked up by one of its digests.
struct LayerClaim: Sendable {
  /// What podman asked for: the blob's digest (podman up to 5.0) or the TOC's (5.1 and later).
  enum KeyKind: Sendable { case blob, toc }

  var reference: String
  var keyKind: KeyKind
  var descriptor: LayerDescriptor
  /// The config's.
  var diffID: Digest
  /// Nil for a plain layer.
  var chunked: ChunkedAnnotations?

  var blob: LayerBlob {
    LayerBlob(reference: reference, digest: descriptor.digest, size: descriptor.size)
  }

  /// The layer that `key` means: blob digests are looked at first; nil where the image has none.
  ///
  /// `malformed` where its annotations are.
  init?(_ key: Digest, in image: ResolvedImage) throws(StreamError) {
    try self.init(key, of: image.reference, Array(zip(image.layers, image.diffIDs)))
  }

  /// As above of layers with their diff IDs, bottom first.
  init?(
    _ key: Digest, of reference: String, _ layers: [(LayerDescriptor, Digest)]
  ) throws(StreamError) {
    func annotations(_ layer: LayerDescriptor) throws(StreamError) -> ChunkedAnnotations? {
      try ChunkedAnnotations(layer.annotations)
    }
    self.reference = reference
    if let (layer, diffID) = layers.first(where: { $0.0.digest == key }) {
      keyKind = .blob
      descriptor = layer
      self.diffID = diffID
      chunked = try annotations(layer)
      return
    }
    for (layer, diffID) in layers {
      // Another layer's bad annotation is not this one's matter.
      guard let found = try? annotations(layer), found.tocDigest == key else { continue }
      keyKind = .toc
      descriptor = layer
      self.diffID = diffID
      chunked = found
      return
    }
    return nil
  }

  /// The JSON of `info`: members of a layers.json record that the graph driver copies.
  ///
  /// Digests of blob and tar only where the key was the blob's: a layer that is known by its TOC must
  /// not be found by them (lazy-layers 1.4). `plainSize` is the tar's, 0 where nobody knows it: podman
  /// 4 refuses every image at -1.
  func info(plainSize: Int64) -> [UInt8] {
    var members: [(String, JSONValue)] = []
    if keyKind == .blob {
      members.append(("compressed-diff-digest", .string(descriptor.digest.description)))
    }
    members.append(("compressed-size", .integer(descriptor.size)))
    if keyKind == .blob { members.append(("diff-digest", .string(diffID.description))) }
    members.append(("diff-size", .integer(plainSize)))
    members.append(("compression", .integer(compression.rawValue)))
    if let chunked {
      members.append(("toc-digest", .string(chunked.tocDigest.description)))
    }
    members.append(
      ("flags", .members([("expected-layer-diffid", .string(diffID.description))])))
    return JSONValue.members(members).encoded() + [UInt8(ascii: "\n")]
  }

  private var compression: Compression {
    if let chunked { return chunked.form.compression }
    if descriptor.mediaType.hasSuffix("gzip") { return .gzip }
    return descriptor.mediaType.hasSuffix("zstd") ? .zstd : .none
  }
}
