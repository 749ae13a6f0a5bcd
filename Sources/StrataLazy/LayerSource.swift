package import StrataModel

/// Where the daemon gets images and the bytes of their layers from: a registry with its mirrors, or
/// a folder.
///
/// The seam between this target and the network: what speaks HTTP conforms elsewhere and is handed
/// in by the program, so that nothing here links it. Credentials, mirrors, redirects, retries and
/// the renewal of tokens are the conforming type's matter; the digests of layers' bytes are not: it
/// returns what a mirror sent, and whoever asked compares.
package protocol LayerSource: AnyObject, Sendable {
  /// Finds an image by the reference that podman used, `host[:port]/path:tag` or `...@digest`, and
  /// returns its manifest for this platform, the manifest's and the config's digests verified.
  ///
  /// `deadline` is a time of `monotonicNanoseconds()` after which the caller wants no answer.
  func resolve(_ reference: String, deadline: UInt64) async throws(SourceError) -> ResolvedImage

  /// Exactly the bytes of `range`, unverified.
  ///
  /// A source that got more (a whole blob for a range) keeps or drops the rest as it likes.
  func fetch(_ request: RangeRequest) async throws(SourceError) -> FetchedRange

  /// The bytes from `offset` to the blob's end, in order, in pieces of at most 1 MiB, each once: a
  /// broken connection is resumed inside.
  ///
  /// The next piece is asked for when `consume` has returned; false ends the stream early without an
  /// error. Mirrors in `distrusted` are asked last. Returns the mirror's name.
  func stream(
    _ blob: LayerBlob, from offset: Int64, urgency: FetchUrgency, distrusted: [String],
    _ consume: @escaping @Sendable ([UInt8]) async -> Bool
  ) async throws(SourceError) -> String
}

/// Who waits for bytes; the lower goes first.
package enum FetchUrgency: Int, Comparable, Sendable, CaseIterable {
  /// A program sits in read(2).
  case reader = 0
  case prefetch = 1
  case background = 2

  package static func < (left: FetchUrgency, right: FetchUrgency) -> Bool {
    left.rawValue < right.rawValue
  }
}

/// The blob of a layer and where it is asked for.
package struct LayerBlob: Hashable, Sendable {
  /// The image by which it is reached, as in `resolve`: it names registry and repository.
  package var reference: String
  /// The digest of the bytes as the registry has them.
  package var digest: Digest
  /// The descriptor's size; a source that finds another refuses the mirror for this blob.
  package var size: Int64

  package init(reference: String, digest: Digest, size: Int64) {
    self.reference = reference
    self.digest = digest
    self.size = size
  }
}

/// A wish for a part of a blob.
package struct RangeRequest: Sendable {
  package var blob: LayerBlob
  /// Not empty, within the blob.
  package var range: Range<Int64>
  package var urgency: FetchUrgency
  /// A time of `monotonicNanoseconds()`: over all retries and mirrors.
  package var deadline: UInt64
  /// Mirrors that sent wrong bytes for this range: asked last, and over a fresh connection.
  package var distrusted: [String] = []

  package init(
    _ blob: LayerBlob, _ range: Range<Int64>, urgency: FetchUrgency, deadline: UInt64
  ) {
    self.blob = blob
    self.range = range
    self.urgency = urgency
    self.deadline = deadline
  }
}

/// Bytes as they came.
package struct FetchedRange: Sendable {
  package var bytes: [UInt8]
  /// Who sent them, for the log, for `status`, and for `RangeRequest.distrusted`.
  package var mirror: String

  package init(bytes: [UInt8], mirror: String) {
    self.bytes = bytes
    self.mirror = mirror
  }
}

/// An image as its manifest and config describe it.
package struct ResolvedImage: Sendable {
  /// The reference that was resolved.
  package var reference: String
  /// The digest of the manifest of this platform, not of an index above it.
  package var manifestDigest: Digest
  package var manifest: [UInt8]
  package var config: [UInt8]
  /// Bottom layer first.
  package var layers: [LayerDescriptor]
  /// The config's `rootfs.diff_ids`, one for each layer.
  package var diffIDs: [Digest]
  /// Who answered.
  package var mirror: String

  package init(
    reference: String, manifestDigest: Digest, manifest: [UInt8], config: [UInt8],
    layers: [LayerDescriptor], diffIDs: [Digest], mirror: String
  ) {
    self.reference = reference
    self.manifestDigest = manifestDigest
    self.manifest = manifest
    self.config = config
    self.layers = layers
    self.diffIDs = diffIDs
    self.mirror = mirror
  }
}

/// A layer as the manifest lists it.
package struct LayerDescriptor: Hashable, Sendable {
  package var digest: Digest
  package var size: Int64
  package var mediaType: String
  package var annotations: [String: String]

  package init(
    digest: Digest, size: Int64, mediaType: String, annotations: [String: String] = [:]
  ) {
    self.digest = digest
    self.size = size
    self.mediaType = mediaType
    self.annotations = annotations
  }
}
