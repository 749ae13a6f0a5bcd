package import StrataSystem

/// Ids on disk against ids that are shown: `uidmapping=` and `gidmapping=`.
///
/// An id outside all ranges is shown as the overflow id and cannot be stored (overlay-semantics
/// section 4). Ranges are searched from the last given one, as fuse-overlayfs does.
package struct IDMapping: Sendable {

  private let uids: [IDRange]
  private let gids: [IDRange]
  private static let overflow: UInt32 = 65534

  package static let identity = IDMapping(uids: [], gids: [])

  package init(uids: [IDRange], gids: [IDRange]) {
    self.uids = uids.reversed()
    self.gids = gids.reversed()
  }

  /// Whether nothing is changed.
  package var isIdentity: Bool { uids.isEmpty && gids.isEmpty }

  package func shownUID(_ id: UInt32) -> UInt32 { Self.shown(id, uids) }
  package func shownGID(_ id: UInt32) -> UInt32 { Self.shown(id, gids) }
  /// Nil for an id that no range holds.
  package func storedUID(_ id: UInt32) -> UInt32? { Self.stored(id, uids) }
  package func storedGID(_ id: UInt32) -> UInt32? { Self.stored(id, gids) }

  /// The stored id of a caller.
  ///
  /// The first namespace's root, which prepares containers before their user namespace is entered,
  /// stands for the container's root where nothing else maps it.
  package func storedCaller(uid: UInt32, gid: UInt32) -> FileSystemIdentity? {
    let user = storedUID(uid) ?? (uid == 0 ? storedUID(shownUID(0)) : nil)
    let group = storedGID(gid) ?? (gid == 0 ? storedGID(shownGID(0)) : nil)
    guard let user, let group else { return nil }
    return FileSystemIdentity(uid: user, gid: group)
  }

  private static func shown(_ id: UInt32, _ ranges: [IDRange]) -> UInt32 {
    if ranges.isEmpty { return id }
    for range in ranges where id >= range.host && id - range.host < range.count {
      return range.mount &+ (id - range.host)
    }
    return overflow
  }

  private static func stored(_ id: UInt32, _ ranges: [IDRange]) -> UInt32? {
    if ranges.isEmpty { return id }
    for range in ranges where id >= range.mount && id - range.mount < range.count {
      return range.host &+ (id - range.mount)
    }
    return nil
  }
}

/// Which way ids inside attribute values are turned.
package enum IDDirection: Sendable {
  case toShown
  case toStored
}

extension IDMapping {
  /// An attribute's value with the ids inside it turned: the entries of an ACL for named users and
  /// groups, and the root id of a file capability.
  ///
  /// EINVAL where an id cannot be stored.
  package func converted(_ value: [UInt8], of name: RawPath, _ direction: IDDirection)
    throws(Errno) -> [UInt8]
  {
    if isIdentity { return value }
    switch name {
    case "system.posix_acl_access", "system.posix_acl_default":
      return try convertedACL(value, direction)
    case "security.capability": return try convertedCapability(value, direction)
    default: return value
    }
  }

  /// Header of 4 bytes, then entries of tag (2), permissions (2) and id (4), little-endian.
  private func convertedACL(_ value: [UInt8], _ direction: IDDirection) throws(Errno) -> [UInt8] {
    var result = value
    var position = 4
    while position + 8 <= value.count {
      let tag = value.littleEndian16(at: position)
      let id = value.littleEndian32(at: position + 4)
      let turned: UInt32?
      switch (tag, direction) {
      case (0x02, .toShown): turned = shownUID(id)
      case (0x02, .toStored): turned = storedUID(id)
      case (0x08, .toShown): turned = shownGID(id)
      case (0x08, .toStored): turned = storedGID(id)
      default: turned = id
      }
      guard let turned else { throw .invalidArgument }
      result.setLittleEndian32(turned, at: position + 4)
      position += 8
    }
    return result
  }

  /// Version 2 (20 bytes) belongs to user 0; version 3 has the root's id behind it (24 bytes).
  private func convertedCapability(_ value: [UInt8], _ direction: IDDirection)
    throws(Errno) -> [UInt8]
  {
    guard value.count == 20 || value.count == 24 else { return value }
    let root = value.count == 24 ? value.littleEndian32(at: 20) : 0
    let turned: UInt32?
    switch direction {
    case .toShown: turned = shownUID(root)
    case .toStored: turned = value.count == 24 ? storedUID(root) : 0
    }
    guard let turned else { throw .invalidArgument }
    var result = Array(value.prefix(20))
    let version: UInt8 = turned == 0 ? 2 : 3
    result[3] = version
    if turned != 0 { result += turned.littleEndianBytes }
    return result
  }
}

extension [UInt8] {
  func littleEndian16(at offset: Int) -> UInt16 {
    UInt16(self[offset]) | UInt16(self[offset + 1]) << 8
  }

  func littleEndian32(at offset: Int) -> UInt32 {
    UInt32(littleEndian16(at: offset)) | UInt32(littleEndian16(at: offset + 2)) << 16
  }

  mutating func setLittleEndian16(_ value: UInt16, at offset: Int) {
    self[offset] = UInt8(truncatingIfNeeded: value)
    self[offset + 1] = UInt8(truncatingIfNeeded: value >> 8)
  }

  mutating func setLittleEndian32(_ value: UInt32, at offset: Int) {
    setLittleEndian16(UInt16(truncatingIfNeeded: value), at: offset)
    setLittleEndian16(UInt16(truncatingIfNeeded: value >> 16), at: offset + 2)
  }
}

extension UInt32 {
  var littleEndianBytes: [UInt8] {
    [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: self >> $0) }
  }
}
