/// What a tar archive says of one of its entries, extended headers merged in.
///
/// Names are bytes as the archive has them: with `./`, `/` or a trailing slash if it writes those.
public struct TarHeader: Hashable, Sendable {
  /// The type byte of an entry; a struct, since archives may hold any.
  public struct EntryType: RawRepresentable, Hashable, Sendable {
    /// The byte in the header.
    public let rawValue: UInt8

    /// Any type byte.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// A regular file, `0`.
    public static let regular = EntryType(rawValue: UInt8(ascii: "0"))
    /// A second name of an earlier entry, `1`.
    public static let hardLink = EntryType(rawValue: UInt8(ascii: "1"))
    /// A symbolic link, `2`.
    public static let symlink = EntryType(rawValue: UInt8(ascii: "2"))
    /// A character device, `3`.
    public static let characterDevice = EntryType(rawValue: UInt8(ascii: "3"))
    /// A block device, `4`.
    public static let blockDevice = EntryType(rawValue: UInt8(ascii: "4"))
    /// A directory, `5`.
    public static let directory = EntryType(rawValue: UInt8(ascii: "5"))
    /// A named pipe, `6`.
    public static let fifo = EntryType(rawValue: UInt8(ascii: "6"))
    /// PAX records for all later entries, `g`.
    public static let globalHeader = EntryType(rawValue: UInt8(ascii: "g"))

    /// Whether such an entry has no body, whatever its size field says.
    public var isHeaderOnly: Bool {
      (UInt8(ascii: "1")...UInt8(ascii: "6")).contains(rawValue)
    }
  }

  /// A time of an entry; negative seconds are before 1970.
  public struct Time: Hashable, Comparable, Sendable {
    /// Whole seconds since the epoch, rounded down.
    public var seconds: Int64
    /// The part after them, 0..<1,000,000,000.
    public var nanoseconds: UInt32

    /// A time of these parts.
    public init(seconds: Int64, nanoseconds: UInt32 = 0) {
      self.seconds = seconds
      self.nanoseconds = nanoseconds
    }

    /// Earlier first.
    public static func < (left: Time, right: Time) -> Bool {
      (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
    }
  }

  /// An extended attribute, from a `SCHILY.xattr.` record.
  public struct Xattr: Hashable, Sendable {
    /// The name with its namespace, as `user.note`.
    public var name: [UInt8]
    /// The value.
    public var value: [UInt8]

    /// A name and its value.
    public init(name: [UInt8], value: [UInt8]) {
      self.name = name
      self.value = value
    }
  }

  /// The name.
  public var name: [UInt8]
  /// The type.
  public var type: EntryType
  /// The size of the file, expanded where it is sparse; of the types without a body what the header
  /// says, mostly 0.
  public var size: Int64
  /// Permission bits, set-id and sticky bits; type bits that some writers add are kept.
  public var mode: Int64
  /// The owner; -1 leaves it alone.
  public var uid: Int64
  /// The group; -1 leaves it alone.
  public var gid: Int64
  /// The target of a symbolic link, or the earlier name that a hard link repeats.
  public var linkName: [UInt8]
  /// The owner's name.
  public var userName: [UInt8]
  /// The group's name.
  public var groupName: [UInt8]
  /// The last change of the content.
  public var modificationTime: Time
  /// The last access, where the archive has it.
  public var accessTime: Time?
  /// The last change of the inode, where the archive has it.
  public var changeTime: Time?
  /// Of a device.
  public var deviceMajor: Int64
  /// Of a device.
  public var deviceMinor: Int64
  /// Extended attributes in the archive's order.
  public var xattrs: [Xattr]

  /// An entry with these values, owned by root, without times, devices and attributes.
  public init(
    name: [UInt8], type: EntryType = .regular, size: Int64 = 0, mode: Int64 = 0o644,
    linkName: [UInt8] = [], modificationTime: Time = Time(seconds: 0)
  ) {
    self.name = name
    self.type = type
    self.size = size
    self.mode = mode
    uid = 0
    gid = 0
    self.linkName = linkName
    userName = []
    groupName = []
    self.modificationTime = modificationTime
    accessTime = nil
    changeTime = nil
    deviceMajor = 0
    deviceMinor = 0
    xattrs = []
  }

  /// An entry of that name; as above.
  public init(
    name: String, type: EntryType = .regular, size: Int64 = 0, mode: Int64 = 0o644,
    linkName: [UInt8] = [], modificationTime: Time = Time(seconds: 0)
  ) {
    self.init(
      name: Array(name.utf8), type: type, size: size, mode: mode, linkName: linkName,
      modificationTime: modificationTime)
  }

  /// The name for people.
  public var displayName: String { String(decoding: name, as: UTF8.self) }
}
