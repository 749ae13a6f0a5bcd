/// One record of layers.json: a set of changes with at most one parent.
public struct LayerRecord: Hashable, Sendable {
  /// The unique id; member `id`.
  public var id: String
  /// Names, unique among layers; podman gives container layers one.
  ///
  /// Member `names`.
  public var names: [String] = []
  /// The id of the layer below, which may live in an additional image store.
  ///
  /// Member `parent`.
  public var parent: String?
  /// Opaque text of callers; member `metadata`.
  public var metadata = ""
  /// The SELinux label of mounts; member `mountlabel`.
  public var mountLabel = ""
  /// When the layer was made; member `created`.
  public var created: Timestamp
  /// The digest of the blob as transferred; member `compressed-diff-digest`.
  public var compressedDigest: Digest?
  /// The blob's length, of no meaning without its digest; member `compressed-size`.
  public var compressedSize: Int64 = 0
  /// The digest of the plain tar; member `diff-digest`.
  public var diffID: Digest?
  /// The digest of a chunked blob's table of contents; member `toc-digest`.
  public var tocDigest: Digest?
  /// The plain tar's length, -1 if unknown; member `diff-size`.
  public var diffSize: Int64 = 0
  /// How the blob was compressed; member `compression`.
  public var compression = Compression.none
  /// The user ids found in the tar, ascending; member `uidset`.
  public var uids: [UInt32] = []
  /// The group ids found in the tar, ascending; member `gidset`.
  public var gids: [UInt32] = []
  /// Member `flags`.
  public var flags = Flags()
  /// The id maps of the content; members `uidmap` and `gidmap`.
  public var mappings = IDMappings()
  /// Keys of data items in the order of their making; member `big-data-names`.
  public var bigDataNames: [String] = []
  /// What other writers added.
  package var unknownMembers: [UnknownMember] = []

  /// A layer with nothing but its identity.
  public init(id: String, parent: String? = nil, created: Timestamp) {
    self.id = id
    self.parent = parent
    self.created = created
  }

  /// Whether it is being made or deleted.
  public var isIncomplete: Bool {
    get { flags.isSet(Flags.incomplete) }
    set { flags[Flags.incomplete] = newValue ? .bool(true) : nil }
  }
}
