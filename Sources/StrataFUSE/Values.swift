package import StrataSystem

/// What the kernel knows a file by.
///
/// Never reused for another file while the kernel remembers it.
package struct NodeID: RawRepresentable, Hashable, Sendable {
  package let rawValue: UInt64
  package init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The root of the mount, which is never looked up and never forgotten.
  package static let root = NodeID(rawValue: 1)
}

/// Who asks, and under which number; `unique` names the request in `interrupt`.
package struct RequestContext: Sendable {
  package var unique: UInt64
  package var uid, gid, pid: UInt32
  /// The caller's umask in requests that make something (the mode beside it is unmasked, since
  /// DONT_MASK is asked for); 0 in all others.
  package var umask: UInt32

  package init(unique: UInt64, uid: UInt32, gid: UInt32, pid: UInt32, umask: UInt32 = 0) {
    self.unique = unique
    self.uid = uid
    self.gid = gid
    self.pid = pid
    self.umask = umask
  }
}

/// How long the kernel may use what it was told without asking again.
package struct CacheLifetime: Hashable, Sendable {
  package var seconds: UInt64
  package var nanoseconds: UInt32

  /// Ask every time.
  package static let none = CacheLifetime(seconds: 0, nanoseconds: 0)
  /// Longer than any mount lives; the kernel clamps it to its own greatest time.
  package static let forever = CacheLifetime(seconds: 1_000_000_000, nanoseconds: 0)

  package init(seconds: UInt64, nanoseconds: UInt32) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }

  /// From a decimal number of seconds as in the option `timeout=`; negative and NaN are 0.
  package init(_ value: Double) {
    guard value > 0 else {
      self = .none
      return
    }
    let whole = min(value, 1e9)
    seconds = UInt64(whole)
    nanoseconds = UInt32((whole - Double(seconds)) * 1e9)
  }
}

/// What stat(2) shows of a file.
///
/// Wire: `fuse_attr`.
package struct Attributes: Sendable {
  package var inode: UInt64
  package var size: Int64
  package var blocks: UInt64
  package var accessTime, modificationTime, changeTime: FileTime
  /// Nil where the file system does not know.
  package var birthTime: FileTime?
  /// Type and permission bits together.
  package var mode: UInt32
  package var linkCount: UInt32
  package var uid, gid: UInt32
  package var representedDevice: DeviceNumber
  package var blockSize: UInt32

  /// Everything as the backing file has it; change what shall be shown otherwise.
  package init(_ status: FileStatus) {
    inode = status.inode
    size = status.size
    blocks = status.blocks
    accessTime = status.accessTime
    modificationTime = status.modificationTime
    changeTime = status.changeTime
    birthTime = status.birthTime.seconds == 0 ? nil : status.birthTime
    mode = status.mode
    linkCount = status.linkCount
    uid = status.uid
    gid = status.gid
    representedDevice = status.representedDevice
    blockSize = status.blockSize
  }

  /// A file without backing.
  package init(inode: UInt64, mode: UInt32, size: Int64 = 0, linkCount: UInt32 = 1) {
    let epoch = FileTime(seconds: 0, nanoseconds: 0)
    self.inode = inode
    self.size = size
    blocks = UInt64(size + 511) / 512
    (accessTime, modificationTime, changeTime) = (epoch, epoch, epoch)
    self.mode = mode
    self.linkCount = linkCount
    (uid, gid) = (0, 0)
    representedDevice = DeviceNumber(major: 0, minor: 0)
    blockSize = 4096
  }
}

/// A name's answer: the node it leads to, or that there is none.
///
/// Wire: `fuse_entry_out`.
package struct Entry: Sendable {
  /// Nil for a name that does not exist, which the kernel remembers too.
  package var node: NodeID?
  package var generation: UInt64
  package var attributes: Attributes
  package var entryLifetime: CacheLifetime
  package var attributeLifetime: CacheLifetime

  /// The kernel counts one lookup of `node` for every entry that was really sent.
  package init(
    _ node: NodeID, _ attributes: Attributes, generation: UInt64 = 0,
    entryLifetime: CacheLifetime = .forever, attributeLifetime: CacheLifetime = .forever
  ) {
    self.node = node
    self.generation = generation
    self.attributes = attributes
    self.entryLifetime = entryLifetime
    self.attributeLifetime = attributeLifetime
  }

  private init(absent lifetime: CacheLifetime) {
    node = nil
    generation = 0
    attributes = Attributes(inode: 0, mode: 0)
    entryLifetime = lifetime
    attributeLifetime = .none
  }

  /// "No such name", kept for `lifetime`: answers the next ENOENT without a request.
  package static func absent(_ lifetime: CacheLifetime) -> Entry { Entry(absent: lifetime) }
}

/// What a SETATTR changes; nil and `.keep` leave things as they are.
package struct AttributeChanges: Sendable {
  /// Permission bits (the type bits never change).
  package var mode: UInt32?
  package var uid, gid: UInt32?
  package var size: Int64?
  package var accessTime: TimeChange = .keep
  package var modificationTime: TimeChange = .keep
  /// The open file through which the change comes (ftruncate, fchmod on some kernels).
  package var handle: UInt64?
  /// Suid, sgid (of a group-executable file) and security.capability must go, as HANDLE_KILLPRIV_V2
  /// makes it our duty.
  ///
  /// Also set where the request names no change at all: that is how the kernel announces a
  /// passthrough write (measured on 6.18), never a no-op.
  package var dropPrivileges = false

  package init() {}
}

/// The kernel's wishes about an open.
package struct OpenRequest: Sendable {
  /// O_ flags without O_CREAT, O_EXCL and O_NOCTTY.
  ///
  /// O_APPEND is the kernel's own matter.
  package var flags: OpenFlags
  /// The file is truncated by a caller who may not keep its suid and capability bits.
  package var dropPrivileges: Bool

  package init(flags: OpenFlags, dropPrivileges: Bool = false) {
    self.flags = flags
    self.dropPrivileges = dropPrivileges
  }

  /// Whether the file may be changed through this open: O_WRONLY, O_RDWR or O_TRUNC.
  package var writes: Bool { flags.rawValue & 3 != 0 || flags.contains(.truncate) }
}

/// How the kernel shall treat an open file or directory.
///
/// Wire: FOPEN_ flags.
package struct OpenModes: OptionSet, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Reads and writes bypass the page cache.
  package static let directIO = OpenModes(rawValue: 1 << 0)
  /// Cached pages (or the cached listing) of earlier opens stay valid.
  package static let keepCache = OpenModes(rawValue: 1 << 1)
  package static let nonSeekable = OpenModes(rawValue: 1 << 2)
  /// The listing of a directory is kept in the page cache.
  package static let cacheDirectory = OpenModes(rawValue: 1 << 3)
  package static let stream = OpenModes(rawValue: 1 << 4)
  package static let noFlush = OpenModes(rawValue: 1 << 5)
  package static let parallelDirectWrites = OpenModes(rawValue: 1 << 6)
  /// Reads, writes and mappings go to the file of `OpenResult.backing`.
  package static let passthrough = OpenModes(rawValue: 1 << 7)
}

/// The answer to an open.
///
/// Wire: `fuse_open_out`.
package struct OpenResult: Sendable {
  /// Any number; it comes back with each request on this open.
  package var handle: UInt64
  package var modes: OpenModes
  /// With `.passthrough`: what `Notifier.openBacking` gave.
  package var backing: Int32

  package init(handle: UInt64 = 0, modes: OpenModes = .keepCache, backing: Int32 = 0) {
    self.handle = handle
    self.modes = modes
    self.backing = backing
  }
}

/// Where and how much to read.
package struct ReadRequest: Sendable {
  package var node: NodeID
  package var handle: UInt64
  package var offset: Int64
  package var count: Int
}

/// Where to write; the bytes come beside it.
package struct WriteRequest: Sendable {
  package var node: NodeID
  package var handle: UInt64
  package var offset: Int64
  /// The write is the kernel's own, of pages that a program changed through a mapping: it must
  /// succeed whatever the caller may do, and the handle may be any open one of the file.
  package var fromCache: Bool
  /// See `AttributeChanges.dropPrivileges`.
  package var dropPrivileges: Bool
}

/// Copies between two open files without the bytes passing through the kernel's caller.
package struct CopyRequest: Sendable {
  package var source: NodeID
  package var sourceHandle: UInt64
  package var sourceOffset: Int64
  package var destination: NodeID
  package var destinationHandle: UInt64
  package var destinationOffset: Int64
  package var count: Int
}

/// A restricted ioctl: the command says how many bytes go in and out.
package struct ControlRequest: Sendable {
  package var node: NodeID
  package var handle: UInt64
  /// The command word; `_IOC_SIZE` and direction are inside.
  package var command: UInt32
  package var argument: UInt64
  package var isDirectory: Bool
  /// The most bytes that the reply may hold.
  package var outputLimit: Int
}
