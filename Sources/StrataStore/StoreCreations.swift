// What callers say of the layers, images and containers that they want made.

public import StrataModel

/// A data item given at creation: bytes under a key.
public struct BigDataItem: Sendable {
  /// The key, not empty.
  public var key: String
  /// The content.
  public var bytes: [UInt8]
  /// The digest to record where it is not SHA-256 of the bytes (a manifest's canonical digest).
  public var digest: Digest?

  /// An item; its digest is computed unless one is given.
  public init(_ key: String, _ bytes: [UInt8], digest: Digest? = nil) {
    self.key = key
    self.bytes = bytes
    self.digest = digest
  }
}

/// A layer to be made.
public struct LayerCreation: Sendable {
  /// The id, or nil for a random one.
  public var id: String?
  /// Id, name or id prefix of the layer below.
  public var parent: String?
  /// Names, which no other layer may have.
  public var names: [String]
  /// SELinux label of its mounts.
  public var mountLabel: String
  /// Opaque text.
  public var metadata: String
  /// The ID maps of its content; nil for the parent's, or the store's.
  public var mappings: IDMappings?
  /// Flags of the record.
  public var flags: Flags
  /// Data items.
  public var data: [BigDataItem]
  /// Whether nobody will write to it: such layers go to the separate image store, if there is one.
  public var isReadOnly: Bool
  /// What is kept of the blob that its content comes as, where that is compressed by gzip or zstd.
  public var keptPart = BlobPart.nothing

  /// A layer with nothing but what is given here.
  public init(
    id: String? = nil, parent: String? = nil, names: [String] = [], mountLabel: String = "",
    metadata: String = "", mappings: IDMappings? = nil, flags: Flags = Flags(),
    data: [BigDataItem] = [], isReadOnly: Bool = false
  ) {
    self.isReadOnly = isReadOnly
    self.id = id
    self.parent = parent
    self.names = names
    self.mountLabel = mountLabel
    self.metadata = metadata
    self.mappings = mappings
    self.flags = flags
    self.data = data
  }
}

/// What the content of a layer must turn out to be; nil where nobody has promised anything.
public struct LayerExpectation: Sendable {
  /// The digest of the plain tar.
  public var diffID: Digest?
  /// The digest of the blob as it comes.
  public var compressedDigest: Digest?
  /// The length of the blob as it comes.
  public var compressedSize: Int64?

  /// Promises to verify.
  public init(
    diffID: Digest? = nil, compressedDigest: Digest? = nil, compressedSize: Int64? = nil
  ) {
    self.diffID = diffID
    self.compressedDigest = compressedDigest
    self.compressedSize = compressedSize
  }
}

/// An image to be made.
public struct ImageCreation: Sendable {
  /// The id, or nil for a random one; container tools use the hex digits of the config's digest.
  public var id: String?
  /// Names, which no other image may have.
  ///
  /// They do not enter the history of names, as with the peer: tools that copy images make them
  /// without a name and add it then.
  public var names: [String]
  /// Id, name or id prefix of the top layer; nil for an image without layers.
  public var layer: String?
  /// Opaque text.
  public var metadata: String
  /// When it was made; nil for now.
  public var created: Timestamp?
  /// Its digest; nil for that of its first manifest item.
  public var digest: Digest?
  /// Flags of the record.
  public var flags: Flags
  /// Data items in the order in which they are recorded.
  public var data: [BigDataItem]

  /// An image with nothing but what is given here.
  public init(
    id: String? = nil, names: [String] = [], layer: String? = nil, metadata: String = "",
    created: Timestamp? = nil, digest: Digest? = nil, flags: Flags = Flags(),
    data: [BigDataItem] = []
  ) {
    self.id = id
    self.names = names
    self.layer = layer
    self.metadata = metadata
    self.created = created
    self.digest = digest
    self.flags = flags
    self.data = data
  }
}

/// A container to be made.
public struct ContainerCreation: Sendable {
  /// The id, or nil for a random one.
  public var id: String?
  /// Names, which no other container may have.
  public var names: [String]
  /// Id, name or id prefix of the image; nil for an empty file system.
  public var image: String?
  /// Opaque text.
  public var metadata: String
  /// Whether it need not survive a reboot.
  public var volatile: Bool
  /// ID maps that its mounts shift by.
  public var mappings: IDMappings
  /// Has the maps chosen, among ids that no other container has; `mappings` says nothing then.
  public var automatic: AutoUserNamespace?
  /// Flags of the record; the SELinux labels are added.
  public var flags: Flags
  /// Data items.
  public var data: [BigDataItem]
  /// Names of its layer, which podman gives as `<name>-layer`.
  public var layerNames: [String]

  /// A container with nothing but what is given here.
  public init(
    id: String? = nil, names: [String] = [], image: String? = nil, metadata: String = "",
    volatile: Bool = false, mappings: IDMappings = IDMappings(), flags: Flags = Flags(),
    data: [BigDataItem] = [], layerNames: [String] = []
  ) {
    self.id = id
    self.names = names
    self.image = image
    self.metadata = metadata
    self.volatile = volatile
    self.mappings = mappings
    self.flags = flags
    self.data = data
    self.layerNames = layerNames
  }
}
