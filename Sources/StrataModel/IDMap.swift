/// A run of ids inside a container and the run of host ids that it stands for.
public struct IDMap: Hashable, Sendable {
  /// The first id inside.
  public var containerID: UInt32
  /// The first id on the host.
  public var hostID: UInt32
  /// How many ids.
  public var size: UInt32

  /// A run of `size` ids.
  public init(containerID: UInt32, hostID: UInt32, size: UInt32) {
    self.containerID = containerID
    self.hostID = hostID
    self.size = size
  }
}

/// The user and group id maps of a layer or container; empty lists map every id to itself.
public struct IDMappings: Hashable, Sendable {
  /// User ids.
  public var uids: [IDMap]
  /// Group ids.
  public var gids: [IDMap]

  /// These two lists.
  public init(uids: [IDMap] = [], gids: [IDMap] = []) {
    self.uids = uids
    self.gids = gids
  }

  /// Whether neither list changes anything.
  public var isEmpty: Bool { uids.isEmpty && gids.isEmpty }

  /// The host's ids for ids inside, nil where one is not mapped.
  public func toHost(uid: UInt32, gid: UInt32) -> (uid: UInt32, gid: UInt32)? {
    guard let u = Self.toHost(uid, uids), let g = Self.toHost(gid, gids) else { return nil }
    return (u, g)
  }

  /// The ids inside for ids of the host, nil where one is not mapped.
  public func toContainer(uid: UInt32, gid: UInt32) -> (uid: UInt32, gid: UInt32)? {
    guard let u = Self.toContainer(uid, uids), let g = Self.toContainer(gid, gids) else {
      return nil
    }
    return (u, g)
  }

  private static func toHost(_ id: UInt32, _ maps: [IDMap]) -> UInt32? {
    if maps.isEmpty { return id }
    for map in maps where id >= map.containerID && id - map.containerID < map.size {
      let (sum, overflow) = map.hostID.addingReportingOverflow(id - map.containerID)
      return overflow ? nil : sum
    }
    return nil
  }

  private static func toContainer(_ id: UInt32, _ maps: [IDMap]) -> UInt32? {
    if maps.isEmpty { return id }
    for map in maps where id >= map.hostID && id - map.hostID < map.size {
      let (sum, overflow) = map.containerID.addingReportingOverflow(id - map.hostID)
      return overflow ? nil : sum
    }
    return nil
  }
}
