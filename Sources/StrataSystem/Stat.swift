import CStrata
import Glibc

/// The type bits of a mode.
public enum FileType: UInt8, Hashable, Sendable {
  case unknown, regular, directory, symlink, characterDevice, blockDevice, fifo, socket

  /// The type in the S_IFMT bits of `mode`.
  package init(mode: UInt32) {
    switch mode & S_IFMT {
    case S_IFREG: self = .regular
    case S_IFDIR: self = .directory
    case S_IFLNK: self = .symlink
    case S_IFCHR: self = .characterDevice
    case S_IFBLK: self = .blockDevice
    case S_IFIFO: self = .fifo
    case S_IFSOCK: self = .socket
    default: self = .unknown
    }
  }

  /// The S_IFMT bits; 0 for `unknown`.
  package var modeBits: UInt32 {
    switch self {
    case .unknown: 0
    case .regular: S_IFREG
    case .directory: S_IFDIR
    case .symlink: S_IFLNK
    case .characterDevice: S_IFCHR
    case .blockDevice: S_IFBLK
    case .fifo: S_IFIFO
    case .socket: S_IFSOCK
    }
  }
}

/// Seconds and nanoseconds since the epoch; the nanoseconds are 0..<1,000,000,000.
public struct FileTime: Hashable, Comparable, Sendable {
  /// Whole seconds, negative before 1970.
  public var seconds: Int64
  /// The part after the second.
  public var nanoseconds: UInt32

  /// A time of these parts.
  public init(seconds: Int64, nanoseconds: UInt32) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }

  /// Earlier first.
  public static func < (left: FileTime, right: FileTime) -> Bool {
    (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
  }
}

/// A device number.
public struct DeviceNumber: Hashable, Sendable {
  /// The major number.
  public var major: UInt32
  /// The minor number.
  public var minor: UInt32

  /// A device number of these parts.
  public init(major: UInt32, minor: UInt32) {
    self.major = major
    self.minor = minor
  }
}

/// What statx(2) says of a file.
public struct FileStatus: Sendable {
  package var inode: UInt64
  package var size: Int64
  package var blocks: UInt64
  package var accessTime, modificationTime, changeTime: FileTime
  package var birthTime: FileTime
  /// Type and permission bits together.
  package var mode: UInt32
  package var linkCount: UInt32
  package var uid, gid: UInt32
  package var blockSize: UInt32
  /// The device that a device node stands for.
  package var representedDevice: DeviceNumber
  /// The device that the file lies on.
  package var device: DeviceNumber
  /// The mount that the name was found in; 0 on kernels before 5.8.
  package var mountID: UInt64
  /// STATX_ATTR_ bits.
  package var attributes: UInt64

  package var type: FileType { FileType(mode: mode) }
  package var permissions: UInt32 { mode & 0o7777 }
  /// Whether this is the root of a mount (STATX_ATTR_MOUNT_ROOT).
  package var isMountRoot: Bool { attributes & 0x2000 != 0 }
  /// Whether content can only be added (STATX_ATTR_APPEND).
  package var isAppendOnly: Bool { attributes & 0x20 != 0 }
  /// Whether nothing of it may change (STATX_ATTR_IMMUTABLE).
  package var isImmutable: Bool { attributes & 0x10 != 0 }

  init(_ s: cstrata_stat) {
    inode = s.ino
    size = Int64(truncatingIfNeeded: s.size)
    blocks = s.blocks
    accessTime = FileTime(seconds: s.atime_sec, nanoseconds: s.atime_nsec)
    modificationTime = FileTime(seconds: s.mtime_sec, nanoseconds: s.mtime_nsec)
    changeTime = FileTime(seconds: s.ctime_sec, nanoseconds: s.ctime_nsec)
    birthTime = FileTime(seconds: s.btime_sec, nanoseconds: s.btime_nsec)
    mode = s.mode
    linkCount = s.nlink
    uid = s.uid
    gid = s.gid
    blockSize = s.blksize
    representedDevice = DeviceNumber(major: s.rdev_major, minor: s.rdev_minor)
    device = DeviceNumber(major: s.dev_major, minor: s.dev_minor)
    mountID = s.mnt_id
    attributes = s.attributes
  }
}

/// What fstatfs(2) says of a file system; sizes in units of `fragmentSize`.
package struct FileSystemStatus: Sendable {
  package var type: Int64
  package var blockSize, blocks, freeBlocks, availableBlocks: UInt64
  package var files, freeFiles, nameLength, fragmentSize: UInt64
}

extension FileDescriptor {
  /// The status of a name below this directory; a final link is not followed unless asked.
  ///
  /// C: `statx`.
  package func status(of path: RawPath, follow: Bool = false) throws(Errno) -> FileStatus {
    var raw = cstrata_stat()
    try unsafe path.withCString { name throws(Errno) in
      try check {
        unsafe cstrata_statx(rawValue, name, follow ? 0 : Int32(AT_SYMLINK_NOFOLLOW), &raw)
      }
    }
    return FileStatus(raw)
  }

  /// The status of the open file itself, O_PATH descriptors too.
  ///
  /// C: `statx(AT_EMPTY_PATH)`.
  package func status() throws(Errno) -> FileStatus {
    var raw = cstrata_stat()
    try check { unsafe cstrata_statx(rawValue, "", 0x1000, &raw) }
    return FileStatus(raw)
  }

  /// The status of the file system that holds this file.
  ///
  /// C: `fstatfs`.
  package func fileSystemStatus() throws(Errno) -> FileSystemStatus {
    var raw = cstrata_statfs()
    try check { unsafe cstrata_statfs(rawValue, &raw) }
    return FileSystemStatus(
      type: raw.type, blockSize: raw.bsize, blocks: raw.blocks, freeBlocks: raw.bfree,
      availableBlocks: raw.bavail, files: raw.files, freeFiles: raw.ffree,
      nameLength: raw.namelen, fragmentSize: raw.frsize)
  }

  /// Whether the name is there, of whatever type; errors other than ENOENT and ENOTDIR are thrown.
  package func exists(_ path: RawPath) throws(Errno) -> Bool {
    do throws(Errno) {
      _ = try status(of: path)
      return true
    } catch {
      if error == .noSuchFileOrDirectory || error == .notADirectory { return false }
      throw error
    }
  }
}
