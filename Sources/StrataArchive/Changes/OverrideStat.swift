import StrataSystem

/// Owner, mode and type that an attribute gives in place of the inode's: what overlay programs write
/// where they may not set the real ones (storage-format 6.8).
struct OverrideStat {
  var uid: UInt32
  var gid: UInt32
  var permissions: UInt32
  /// nil: the inode's own.
  var type: FileType?
  var device = DeviceNumber(major: 0, minor: 0)

  static let names: [RawPath] = [
    "user.containers.override_stat", "user.fuseoverlayfs.override_stat",
    "security.fuseoverlayfs.override_stat",
  ]

  /// Reads `UID:GID:MODE[:TYPE]`; nil where it is malformed.
  ///
  /// MODE is octal and may hold type bits.
  init?(_ value: [UInt8]) {
    let parts = value.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    guard parts.count >= 3, let uid = UInt32(parts[0]), let gid = UInt32(parts[1]),
      let mode = UInt32(parts[2], radix: 8)
    else { return nil }
    self.uid = uid
    self.gid = gid
    permissions = mode & 0o7777
    if mode & 0o170000 != 0 { type = FileType(mode: mode) }
    guard parts.count > 3 else { return }
    let words = parts[3].split(separator: "-")
    switch words.first {
    case "file": type = .regular
    case "dir": type = .directory
    case "symlink": type = .symlink
    case "pipe": type = .fifo
    case "socket": type = .socket
    case "block", "char":
      guard words.count >= 3, let major = UInt32(words[1]), let minor = UInt32(words[2]) else {
        return nil
      }
      type = words[0] == "block" ? .blockDevice : .characterDevice
      device = DeviceNumber(major: major, minor: minor)
    default: return nil
    }
  }

  /// The status as overlay programs show it.
  func applied(to status: FileStatus) -> FileStatus {
    var result = status
    result.uid = uid
    result.gid = gid
    result.mode = (type ?? status.type).modeBits | permissions
    if type == .blockDevice || type == .characterDevice { result.representedDevice = device }
    return result
  }
}
