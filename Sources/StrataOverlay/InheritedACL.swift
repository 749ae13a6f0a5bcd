import StrataSystem

/// The ACL that a new object gets from its parent's default one, computed as the kernel does for
/// objects that are not made in that parent directly.
///
/// An ACL is a header of 4 bytes (version 2) and entries of tag, permissions (16 bits each) and id.
struct InheritedACL {
  private enum Tag {
    static let owner: UInt16 = 0x01
    static let user: UInt16 = 0x02
    static let owningGroup: UInt16 = 0x04
    static let group: UInt16 = 0x08
    static let mask: UInt16 = 0x10
    static let other: UInt16 = 0x20
  }

  /// The permission bits that the new object has.
  private(set) var mode: UInt32
  private let inherited: [UInt8]
  private var access: [UInt8]
  /// The access ACL says more than the mode.
  private var isExtended = false

  /// Nil where the parent has no default ACL: then the umask counts.
  init?(from parent: FileDescriptor, mode: UInt32) {
    guard let value = try? parent.xattr("system.posix_acl_default"), value.count > 4 else {
      return nil
    }
    self.init(value, mode: mode)
  }

  init(_ value: [UInt8], mode: UInt32) {
    self.mode = mode
    inherited = value
    access = value
    var group: Int?
    var mask: Int?
    var position = 4
    while position + 8 <= value.count {
      switch value.littleEndian16(at: position) {
      case Tag.owner: narrow(position, shift: 6)
      case Tag.other: narrow(position, shift: 0)
      case Tag.owningGroup: group = position
      case Tag.mask:
        mask = position
        isExtended = true
      default: isExtended = true
      }
      position += 8
    }
    if let bits = mask ?? group { narrow(bits, shift: 3) }
  }

  /// Keeps in both, the entry and the mode, what both allow.
  private mutating func narrow(_ position: Int, shift: UInt32) {
    let allowed = UInt32(access.littleEndian16(at: position + 2)) & (mode >> shift) & 7
    access.setLittleEndian16(UInt16(allowed), at: position + 2)
    mode = mode & ~(7 << shift) | allowed << shift
  }

  /// Sets the access ACL, and on a directory the default one.
  func apply(to name: RawPath, in directory: FileDescriptor, isDirectory: Bool) throws(Errno) {
    if isExtended { try directory.setXattr("system.posix_acl_access", access, of: name) }
    if isDirectory { try directory.setXattr("system.posix_acl_default", inherited, of: name) }
  }
}
