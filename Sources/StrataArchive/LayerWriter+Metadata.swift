import StrataModel
import StrataSystem

/// Owner, mode, extended attributes and times of an entry, in the order in which the kernel does not
/// undo the one with the other.
extension LayerWriter {
  /// The host's ids for an entry; nil leaves one alone.
  struct Owner {
    var uid: UInt32?
    var gid: UInt32?
  }

  /// The owner of an entry on the host.
  func owner(of header: TarHeader) throws(StreamError) -> Owner {
    if options.mappings.isEmpty {
      return Owner(
        uid: header.uid == -1 ? nil : UInt32(truncatingIfNeeded: header.uid),
        gid: header.gid == -1 ? nil : UInt32(truncatingIfNeeded: header.gid))
    }
    guard let uid = UInt32(exactly: header.uid), let gid = UInt32(exactly: header.gid),
      let host = options.mappings.toHost(uid: uid, gid: gid)
    else {
      throw StreamError(
        .unsupported,
        "\(header.displayName): owner \(header.uid):\(header.gid) has no host ID in the mappings")
    }
    return Owner(uid: host.uid, gid: host.gid)
  }

  /// Finishes a new regular file through its descriptor.
  func setFileMetadata(
    _ file: FileDescriptor, _ header: TarHeader, _ owner: Owner, _ parent: OpenDirectory
  ) throws(StreamError) {
    if changesOwner(owner, parent) {
      try chown(header) { () throws(Errno) in
        try file.setOwner(uid: owner.uid ?? .max, gid: owner.gid ?? .max)
      }
    }
    let mode = UInt32(header.mode & 0o7777)
    if mode & (process.umask | 0o7000) != 0 || modeIsInherited {
      try step("chmod", header) { () throws(Errno) in try file.setMode(mode) }
    }
    for xattr in header.xattrs {
      try set(xattr, header) { (name, value) throws(Errno) in try file.setXattr(name, value) }
    }
    let times = Times(header)
    try step("set times of", header) { () throws(Errno) in
      try file.setTimes(access: .to(times.access), modification: .to(times.modification))
    }
  }

  /// Finishes anything else by its name; of directories the times come last of all.
  func setMetadata(
    _ last: RawPath, _ header: TarHeader, _ owner: Owner, isNew: Bool, in parent: OpenDirectory
  ) throws(StreamError) {
    if !isNew || changesOwner(owner, parent) { try setOwner(last, header, owner, in: parent) }
    let mode = UInt32(header.mode & 0o7777)
    let inherits = header.type == .directory && parent.inheritedGroup != nil
    if header.type != .symlink,
      !isNew || inherits || modeIsInherited || mode & (process.umask | 0o7000) != 0
    {
      try setMode(last, header, in: parent)
    }
    try setXattrs(last, header, in: parent)
    if header.type == .directory { return }
    let times = Times(header)
    let isLink = header.type == .symlink
    try step("set times of", header) { () throws(Errno) in
      try parent.view.setTimes(
        of: last, access: .to(isLink ? times.linkAccess : times.access),
        modification: .to(isLink ? times.linkModification : times.modification))
    }
  }

  /// Applies what a hard link's own header says to the file that it names; of a symbolic link the
  /// owner alone.
  func setLinkMetadata(
    _ last: RawPath, _ header: TarHeader, _ owner: Owner, in parent: OpenDirectory
  ) throws(StreamError) {
    let status: FileStatus
    do throws(Errno) {
      status = try parent.view.status(of: last)
    } catch { throw failure(error, "stat", header) }
    let hasOther = owner.uid ?? status.uid != status.uid || owner.gid ?? status.gid != status.gid
    if hasOther { try setOwner(last, header, owner, in: parent) }
    if status.type != .symlink {
      if hasOther || UInt32(header.mode & 0o7777) != status.permissions {
        try setMode(last, header, in: parent)
      }
      let times = Times(header)
      if times.access != status.accessTime || times.modification != status.modificationTime {
        try step("set times of", header) { () throws(Errno) in
          try parent.view.setTimes(
            of: last, access: .to(times.access), modification: .to(times.modification))
        }
      }
    }
    try setXattrs(last, header, in: parent)
  }

  private func changesOwner(_ owner: Owner, _ parent: OpenDirectory) -> Bool {
    (owner.uid ?? process.uid) != process.uid
      || (owner.gid.map { $0 != parent.inheritedGroup ?? process.gid } ?? false)
  }

  /// One change to what an entry is made of; a failure says which and of which entry.
  private func step(
    _ verb: String, _ header: TarHeader, _ change: () throws(Errno) -> Void
  ) throws(StreamError) {
    do throws(Errno) {
      try change()
    } catch { throw failure(error, verb, header) }
  }

  private func setMode(
    _ last: RawPath, _ header: TarHeader, in parent: OpenDirectory
  ) throws(StreamError) {
    try step("chmod", header) { () throws(Errno) in
      try parent.view.setMode(of: last, UInt32(header.mode & 0o7777))
    }
  }

  private func setOwner(
    _ last: RawPath, _ header: TarHeader, _ owner: Owner, in parent: OpenDirectory
  ) throws(StreamError) {
    try chown(header) { () throws(Errno) in
      try parent.view.setOwner(of: last, uid: owner.uid ?? .max, gid: owner.gid ?? .max)
    }
  }

  private func chown(
    _ header: TarHeader, _ change: () throws(Errno) -> Void
  ) throws(StreamError) {
    do throws(Errno) {
      try change()
    } catch {
      if options.ignoreOwnershipErrors { return }
      let owner = "to \(header.uid):\(header.gid)"
      // chown(2): EINVAL for an id that the user namespace has not.
      guard error == .invalidArgument else { throw failure(error, "chown", header, owner) }
      throw StreamError(
        .system(error),
        "chown \(header.displayName) \(owner): this user namespace has no such owner: give the user "
          + "more subordinate IDs in /etc/subuid and /etc/subgid")
    }
  }

  private func setXattrs(
    _ last: RawPath, _ header: TarHeader, in parent: OpenDirectory
  ) throws(StreamError) {
    for xattr in header.xattrs {
      try set(xattr, header) { (name, value) throws(Errno) in
        try parent.view.setXattr(name, value, of: last)
      }
    }
  }

  /// Sets one attribute, unless it would steer an overlay; a file system without attributes is no
  /// error, nor is a user namespace that may not set this one.
  private func set(
    _ xattr: TarHeader.Xattr, _ header: TarHeader,
    _ set: (RawPath, [UInt8]) throws(Errno) -> Void
  ) throws(StreamError) {
    if PrivateXattr.isLeftOut(xattr.name) { return }
    do throws(Errno) {
      try set(RawPath(xattr.name), xattr.value)
    } catch  where error == .notSupported {
      return
    } catch  where error == .operationNotPermitted && options.inUserNamespace {
      return
    } catch {
      throw failure(
        error, "set the attribute \(String(decoding: xattr.name, as: UTF8.self)) of", header)
    }
    if xattr.name == PrivateXattr.defaultACL { modeIsInherited = true }
  }
}

/// The times of an entry as the peer sets them (measured with 1.43).
struct Times {
  /// Of all but directories: the last access is never before the last change.
  let access: FileTime
  let modification: FileTime
  /// Of directories: 1970 where the archive has no access time.
  let directoryAccess: FileTime
  /// Of symbolic links: not cut to the years from 1970 on.
  let linkAccess: FileTime
  let linkModification: FileTime

  init(_ header: TarHeader) {
    let later = max(header.accessTime ?? header.modificationTime, header.modificationTime)
    access = Self.cut(later)
    modification = Self.cut(header.modificationTime)
    directoryAccess = header.accessTime.map(Self.cut) ?? FileTime(seconds: 0, nanoseconds: 0)
    linkAccess = Self.wrapped(later)
    linkModification = Self.wrapped(header.modificationTime)
  }

  /// A time as 64 bits of nanoseconds, which wrap around beyond the years 1678 and 2262.
  private static func wrapped(_ time: TarHeader.Time) -> FileTime {
    let total = time.seconds &* 1_000_000_000 &+ Int64(time.nanoseconds)
    let part = total % 1_000_000_000
    return FileTime(
      seconds: total / 1_000_000_000 - (part < 0 ? 1 : 0),
      nanoseconds: UInt32(part < 0 ? part + 1_000_000_000 : part))
  }

  /// Times before 1970, and beyond what 64 bits of nanoseconds hold, become 1970.
  private static func cut(_ time: TarHeader.Time) -> FileTime {
    let last = TarHeader.Time(seconds: 9_223_372_036, nanoseconds: 854_775_807)
    if time.seconds < 0 || time > last { return FileTime(seconds: 0, nanoseconds: 0) }
    return FileTime(seconds: time.seconds, nanoseconds: time.nanoseconds)
  }
}
