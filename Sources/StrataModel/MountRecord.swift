/// One record of mountpoints.json: where a layer is mounted and how many times that was asked for.
public struct MountRecord: Hashable, Sendable {
  /// The id of the layer; member `id`.
  public var id: String
  /// The mount point; member `path`.
  ///
  /// Paths in JSON are text: other bytes became U+FFFD on writing.
  public var path: String
  /// How many users the mount has; member `count`.
  public var count: Int
  /// What other writers added.
  package var unknownMembers: [UnknownMember] = []

  /// A mount of a layer.
  public init(id: String, path: String, count: Int) {
    self.id = id
    self.path = path
    self.count = count
  }
}
