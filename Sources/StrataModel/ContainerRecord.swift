/// One record of containers.json: an image and the layer that the container writes to.
public struct ContainerRecord: Hashable, Sendable {
  /// The unique id; member `id`.
  public var id: String
  /// Names, unique among containers; member `names`.
  public var names: [String] = []
  /// The id of the image, empty for a container without one; member `image`.
  public var image: String
  /// The id of the layer that it writes to; member `layer`.
  public var layer: String
  /// Opaque text of callers, for podman JSON with the image's name; member `metadata`.
  public var metadata = ""
  /// Keys of data items in the order of their making; member `big-data-names`.
  public var bigDataNames: [String] = []
  /// Sizes of data items; member `big-data-sizes`.
  public var bigDataSizes: [String: Int64] = [:]
  /// Digests of data items; member `big-data-digests`.
  public var bigDataDigests: [String: Digest] = [:]
  /// When the container was made; member `created`.
  public var created: Timestamp
  /// The id maps asked for at creation, not always those of the layer; `uidmap` and `gidmap`.
  public var mappings = IDMappings()
  /// Member `flags`.
  public var flags = Flags()
  /// Entries of `big-data-digests` that are no digests.
  package var oddDigests: [String: String] = [:]
  /// What other writers added.
  package var unknownMembers: [UnknownMember] = []

  /// A container with nothing but its identity.
  public init(id: String, image: String, layer: String, created: Timestamp) {
    self.id = id
    self.image = image
    self.layer = layer
    self.created = created
  }

  /// Whether its state need not survive a reboot.
  public var isVolatile: Bool { flags.isSet(Flags.volatile) }
}
