package import StrataModel
package import StrataSystem

/// The ranges of host ids that subuid(5) and subgid(5) give to a user.
package struct SubordinateIDs: Sendable, Hashable {
  /// A run of ids.
  package struct Range: Sendable, Hashable {
    package var start: UInt32
    package var count: UInt32

    package init(start: UInt32, count: UInt32) {
      self.start = start
      self.count = count
    }
  }

  package var uids: [Range]
  package var gids: [Range]

  package init(uids: [Range], gids: [Range]) {
    self.uids = uids
    self.gids = gids
  }

  /// Reads both files for a user; lines name it by name or by number, in file order.
  ///
  /// A range that is malformed, empty or runs over the largest id is passed over, as the shadow
  /// tools do.
  package init(user name: String?, uid: UInt32, root: RawPath = "") {
    let base = root.bytes
    uids = Self.ranges(RawPath(Array(base) + Array("/etc/subuid".utf8)), name, uid)
    gids = Self.ranges(RawPath(Array(base) + Array("/etc/subgid".utf8)), name, uid)
  }

  /// The ranges of a name alone, for `--subuidmap` and `--subgidmap`.
  package static func ranges(ofName name: String, in file: RawPath) -> [Range] {
    ranges(file, name, nil)
  }

  private static func ranges(_ file: RawPath, _ name: String?, _ uid: UInt32?) -> [Range] {
    fields(of: file, separator: ":").compactMap { fields in
      guard fields.count >= 3 else { return nil }
      let owner = fields[0]
      guard owner == (name ?? "") || (uid.map { owner == String($0) } ?? false), !owner.isEmpty,
        let start = UInt32(fields[1]),
        let count = UInt32(fields[2].filter { $0 != " " && $0 != "\r" }), count > 0,
        !start.addingReportingOverflow(count - 1).overflow
      else { return nil }
      return Range(start: start, count: count)
    }
  }

  /// Maps for ids inside from `first` on, one behind the other.
  package static func maps(_ ranges: [Range], from first: UInt32) -> [IDMap] {
    var next = first
    var maps: [IDMap] = []
    for range in ranges {
      let (end, overflow) = next.addingReportingOverflow(range.count)
      if overflow { break }
      maps.append(IDMap(containerID: next, hostID: range.start, size: range.count))
      next = end
    }
    return maps
  }
}
