package import StrataSystem

/// Owner, mode and type in an attribute, for file systems and users that cannot set the real ones.
///
/// Texts: `uid:gid:mode` (fuse-overlayfs before 1.15, the whole st_mode) and `uid:gid:mode:type`
/// (containers/storage), mode in octal; type `file`, `dir`, `symlink`, `pipe`, `socket`,
/// `block-MAJOR-MINOR` or `char-MAJOR-MINOR`.
package struct OverrideStat: Equatable, Sendable {
  package var uid, gid: UInt32
  /// Permission bits only.
  package var permissions: UInt32
  /// Nil: the type of the object on disk.
  package var type: FileType?
  package var device = DeviceNumber(major: 0, minor: 0)

  /// Attributes that hold such a text, in the order in which a layer's root is asked for them.
  package static let names: [RawPath] = [
    "user.containers.override_stat", "security.fuseoverlayfs.override_stat",
    "user.fuseoverlayfs.override_stat",
  ]

  package init(
    uid: UInt32, gid: UInt32, permissions: UInt32, type: FileType?,
    device: DeviceNumber = DeviceNumber(major: 0, minor: 0)
  ) {
    self.uid = uid
    self.gid = gid
    self.permissions = permissions & 0o7777
    self.type = type
    self.device = device
  }

  /// What is shown of a file, to be stored.
  package init(_ status: FileStatus) {
    self.init(
      uid: status.uid, gid: status.gid, permissions: status.permissions, type: status.type,
      device: status.representedDevice)
  }

  /// Nil for a text of neither form: the object then counts as not overridden.
  package init?(_ value: [UInt8]) {
    let text = value.prefix { $0 != 0 }
    let fields = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    guard fields.count == 3 || fields.count == 4,
      let uid = UInt32(String(decoding: fields[0], as: UTF8.self)),
      let gid = UInt32(String(decoding: fields[1], as: UTF8.self)),
      let mode = UInt32(String(decoding: fields[2], as: UTF8.self), radix: 8)
    else { return nil }
    self.init(uid: uid, gid: gid, permissions: mode, type: nil)
    guard fields.count == 4 else { return }
    let type = String(decoding: fields[3], as: UTF8.self)
    switch type {
    case "file": self.type = .regular
    case "dir": self.type = .directory
    case "symlink": self.type = .symlink
    case "pipe": self.type = .fifo
    case "socket": self.type = .socket
    default:
      let parts = type.split(separator: "-")
      guard parts.count == 3, let major = UInt32(parts[1]), let minor = UInt32(parts[2]),
        parts[0] == "block" || parts[0] == "char"
      else { return nil }
      self.type = parts[0] == "block" ? .blockDevice : .characterDevice
      device = DeviceNumber(major: major, minor: minor)
    }
  }

  /// The text with four fields.
  package var text: [UInt8] {
    let digits = String(permissions, radix: 8)
    let octal = String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    let kind =
      switch type ?? .regular {
      case .directory: "dir"
      case .symlink: "symlink"
      case .fifo: "pipe"
      case .socket: "socket"
      case .blockDevice: "block-\(device.major)-\(device.minor)"
      case .characterDevice: "char-\(device.major)-\(device.minor)"
      case .regular, .unknown: "file"
      }
    return Array("\(uid):\(gid):\(octal):\(kind)".utf8)
  }

  /// Puts the stored values in the place of the real ones.
  package func apply(to status: inout FileStatus) {
    status.uid = uid
    status.gid = gid
    let bits = type.map(\.modeBits) ?? (status.mode & 0o170000)
    status.mode = bits | permissions
    if type == .blockDevice || type == .characterDevice { status.representedDevice = device }
  }
}
