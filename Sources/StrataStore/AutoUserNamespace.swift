package import StrataModel

/// A user namespace that a container is to get without anybody naming its ids: as large as the image
/// needs, and of host ids that no other container has (storage-format 4.6).
public struct AutoUserNamespace: Sendable, Hashable {
  /// A run of ids of the host.
  public struct Range: Sendable, Hashable {
    /// The lowest.
    public var start: UInt32
    /// How many.
    public var count: UInt32

    /// The ids from `start` on.
    public init(start: UInt32, count: UInt32) {
      self.start = start
      self.count = count
    }
  }

  /// How many ids it has; nil: as many as the image needs.
  public var size: UInt32?
  /// At least so many where `size` is not given; `auto-userns-min-size`.
  public var minimum: UInt32 = 1024
  /// At most so many where `size` is not given; `auto-userns-max-size`.
  public var maximum: UInt32 = 65536
  /// The user ids that may be given out: the subordinate ids of `root-auto-userns-user`.
  public var uids: [Range]
  /// The group ids that may be given out.
  public var gids: [Range]

  /// A namespace of some of these ids.
  public init(size: UInt32? = nil, uids: [Range], gids: [Range]) {
    self.size = size
    self.uids = uids
    self.gids = gids
  }

  /// The size for an image that needs ids below `needed`.
  package func size(for needed: UInt64) throws(StoreError) -> UInt32 {
    if let size { return size }
    let wanted = max(needed, UInt64(minimum))
    guard wanted <= UInt64(maximum) else {
      throw StoreError(
        .noAvailableIDs,
        "the container needs a user namespace with size \(wanted) that is bigger than the maximum "
          + "value allowed with userns=auto \(maximum)")
    }
    return UInt32(wanted)
  }

  /// Maps of `size` ids from 0 on that take nothing of what others use.
  package func mappings(size: UInt32, besides used: [IDMappings]) throws(StoreError) -> IDMappings {
    IDMappings(
      uids: try Self.maps(uids, size, besides: used.flatMap(\.uids)),
      gids: try Self.maps(gids, size, besides: used.flatMap(\.gids)))
  }

  /// The lowest free ids, in as few runs as that takes.
  private static func maps(
    _ ranges: [Range], _ size: UInt32, besides used: [IDMap]
  ) throws(StoreError) -> [IDMap] {
    let taken = used.map { UInt64($0.hostID)..<UInt64($0.hostID) + UInt64($0.size) }
      .sorted { $0.lowerBound < $1.lowerBound }
    var next: UInt32 = 0
    var maps: [IDMap] = []
    func take(_ start: UInt64, _ end: UInt64) {
      let count = UInt32(min(end - start, UInt64(size - next)))
      guard count > 0, let host = UInt32(exactly: start) else { return }
      maps.append(IDMap(containerID: next, hostID: host, size: count))
      next += count
    }
    for range in ranges.sorted(by: { $0.start < $1.start }) where next < size {
      var start = UInt64(range.start)
      let end = start + UInt64(range.count)
      for other in taken where other.upperBound > start && other.lowerBound < end {
        if other.lowerBound > start { take(start, other.lowerBound) }
        start = max(start, other.upperBound)
      }
      if start < end { take(start, end) }
    }
    guard next == size else { throw StoreError(.noAvailableIDs) }
    return maps
  }
}
