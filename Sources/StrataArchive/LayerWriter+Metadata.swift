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
  ) throws(Errno) {
    if changesOwner(owner, parent) {
      try chown { () throws(Errno) in
        try file.setOwner(uid: owner.uid ?? .max, gid: owner.gid ?? .max)
      }
    }
    let mode = UInt32(header.mode & 0o7777)
    if mode & (process.umask | 0o7000) != 0 || modeIsInherited { try file.setMode(mode) }
    for xattr in header.xattrs {
      try set(xattr) { (name, value) throws(Errno) in try file.setXattr(name, value) }
    }
    let times = Times(header)
    try file.setTimes(access: .to(times.access), modification: .to(times.modification))
  }

  /// Finishes anything else by its name; of directories the times come last of all.
  func setMetadata(
    _ last: RawPath, _ header: TarHeader, _ owner: Owner, isNew: Bool, in parent: OpenDirectory
  ) throws(StreamError) {
    do throws(Errno) {
      if !isNew || changesOwner(owner, parent) {
        try chown { () throws(Errno) in
          try parent.view.setOwner(of: last, uid: owner.uid ?? .max, gid: owner.gid ?? .max)
        }
      }
      let mode = UInt32(header.mode & 0o7777)
      let inherits = header.type == .directory && parent.inheritedGroup != nil
      if header.type != .symlink,
        !isNew || inherits || modeIsInherited || mode & (process.umask | 0o7000) != 0
      {
        try parent.view.setMode(of: last, mode)
      }
      try setXattrs(last, header, in: parent)
      if header.type != .directory {
        let times = Times(header)
        try parent.view.setTimes(
          of: last, access: .to(header.type == .symlink ? times.linkAccess : times.access),
          modification: .to(
            header.type == .symlink ? times.linkModification : times.modification))
      }
    } catch { throw failure(error, "set metadata of", header) }
  }

  /// Applies what a hard link's own header says to the file that it names; of a symbolic link the
  /// owner alone.
  func setLinkMetadata(
    _ last: RawPath, _ header: TarHeader, _ owner: Owner, in parent: OpenDirectory
  ) throws(StreamError) {
    do throws(Errno) {
      let status = try parent.view.status(of: last)
      var hasChanged = false
      if owner.uid ?? status.uid != status.uid || owner.gid ?? status.gid != status.gid {
        hasChanged = true
        try chown { () throws(Errno) in
          try parent.view.setOwner(of: last, uid: owner.uid ?? .max, gid: owner.gid ?? .max)
        }
      }
      if status.type != .symlink {
        let mode = UInt32(header.mode & 0o7777)
        if hasChanged || mode != status.permissions { try parent.view.setMode(of: last, mode) }
        let times = Times(header)
        if times.access != status.accessTime || times.modification != status.modificationTime {
          try parent.view.setTimes(
            of: last, access: .to(times.access), modification: .to(times.modification))
        }
      }
      try setXattrs(last, header, in: parent)
    } catch { throw failure(error, "set metadata of", header) }
  }

  private func changesOwner(_ owner: Owner, _ parent: OpenDirectory) -> Bool {
    (owner.uid ?? process.uid) != process.uid
      || (owner.gid.map { $0 != parent.inheritedGroup ?? process.gid } ?? false)
  }

  private func chown(_ change: () throws(Errno) -> Void) throws(Errno) {
    do throws(Errno) {
      try change()
    } catch {
      if !options.ignoreOwnershipErrors { throw error }
    }
  }

  private func setXattrs(
    _ last: RawPath, _ header: TarHeader, in parent: OpenDirectory
  ) throws(Errno) {
    for xattr in header.xattrs {
      try set(xattr) { (name, value) throws(Errno) in
        try parent.view.setXattr(name, value, of: last)
      }
    }
  }

  /// Sets one attribute, unless it would steer an overlay; a file system without attributes is no
  /// error, nor is a user namespace that may not set this one.
  private func set(
    _ xattr: TarHeader.Xattr, _ set: (RawPath, [UInt8]) throws(Errno) -> Void
  ) throws(Errno) {
    if PrivateXattr.isLeftOut(xattr.name) { return }
    do throws(Errno) {
      try set(RawPath(xattr.name), xattr.value)
    } catch  where error == .notSupported {
      return
    } catch  where error == .operationNotPermitted && options.inUserNamespace {
      return
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
