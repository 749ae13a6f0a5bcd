/// One record of images.json: a top layer and the data items that describe it.
public struct ImageRecord: Hashable, Sendable {
  /// The unique id, for images of container tools the hex of the config's digest; member `id`.
  public var id: String
  /// The manifest's digest, or of an index that led to it; member `digest`.
  public var digest: Digest?
  /// Names, unique among images; member `names`.
  public var names: [String] = []
  /// Every name it ever got by a name operation, latest first; member `names-history`.
  public var namesHistory: [String] = []
  /// The id of the top layer, nil for an image without layers; member `layer`.
  public var layer: String?
  /// Copies of the top layer under other id maps; member `mapped-layers`.
  public var mappedLayers: [String] = []
  /// Opaque text of callers; member `metadata`.
  public var metadata = ""
  /// Keys of data items in the order of their making; member `big-data-names`.
  public var bigDataNames: [String] = []
  /// Sizes of data items; member `big-data-sizes`.
  public var bigDataSizes: [String: Int64] = [:]
  /// Digests of data items; member `big-data-digests`.
  public var bigDataDigests: [String: Digest] = [:]
  /// When the image was made, by its config or now; member `created`.
  public var created: Timestamp
  /// Member `flags`.
  public var flags = Flags()
  /// Entries of `big-data-digests` that are no digests, which the peer tolerates for items that are
  /// no manifests.
  package var oddDigests: [String: String] = [:]
  /// What other writers added.
  package var unknownMembers: [UnknownMember] = []

  /// An image with nothing but its identity.
  public init(id: String, layer: String? = nil, created: Timestamp) {
    self.id = id
    self.layer = layer
    self.created = created
  }

  /// Every digest it answers to: `digest`, then those of its items named `manifest…`.
  public var digests: [Digest] {
    var found = digest.map { [$0] } ?? []
    for name in bigDataNames where name.hasPrefix("manifest") {
      if let digest = bigDataDigests[name], !found.contains(digest) { found.append(digest) }
    }
    return found
  }
}
