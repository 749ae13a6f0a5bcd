import CStrata

/// MS_ flags of mount(2) that Strata uses.
package struct MountFlags: OptionSet, Sendable {
  package let rawValue: UInt64
  package init(rawValue: UInt64) { self.rawValue = rawValue }

  package static let readOnly = MountFlags(rawValue: UInt64(CSTRATA_MS_RDONLY))
  package static let noSetUserID = MountFlags(rawValue: UInt64(CSTRATA_MS_NOSUID))
  package static let noDevices = MountFlags(rawValue: UInt64(CSTRATA_MS_NODEV))
  package static let noExecution = MountFlags(rawValue: UInt64(CSTRATA_MS_NOEXEC))
  package static let synchronous = MountFlags(rawValue: UInt64(CSTRATA_MS_SYNCHRONOUS))
  package static let directorySynchronous = MountFlags(rawValue: UInt64(CSTRATA_MS_DIRSYNC))
  package static let noAccessTime = MountFlags(rawValue: UInt64(CSTRATA_MS_NOATIME))
  package static let noDirectoryAccessTime = MountFlags(rawValue: UInt64(CSTRATA_MS_NODIRATIME))
  package static let bind = MountFlags(rawValue: UInt64(CSTRATA_MS_BIND))
  package static let recursive = MountFlags(rawValue: UInt64(CSTRATA_MS_REC))
  package static let makePrivate = MountFlags(rawValue: UInt64(CSTRATA_MS_PRIVATE))
}

/// C: `mount`.
package func mount(
  _ source: RawPath, on target: RawPath, type: RawPath = "", flags: MountFlags, data: RawPath = ""
) throws(Errno) {
  try unsafe source.withCString { s throws(Errno) in
    try unsafe target.withCString { t throws(Errno) in
      try unsafe type.withCString { y throws(Errno) in
        try unsafe data.withCString { d throws(Errno) in
          try check {
            unsafe cstrata_mount(
              s, t, type.isEmpty ? nil : y, flags.rawValue, data.isEmpty ? nil : d)
          }
        }
      }
    }
  }
}

/// C: `umount2`; `detach` takes it out of the tree at once and ends it when the last user goes.
package func unmount(_ target: RawPath, detach: Bool = false) throws(Errno) {
  try unsafe target.withCString { t throws(Errno) in
    try check { unsafe cstrata_umount2(t, detach ? CSTRATA_MNT_DETACH : 0) }
  }
}

extension FileDescriptor {
  /// This directory in a mount of its own, in which nothing will be mounted, and nothing is now unless it
  /// is asked for `withMountsBelow`; it lives as long as the descriptor, which is one of O_PATH.
  ///
  /// C: `open_tree` with `OPEN_TREE_CLONE`, `mount_setattr`. EPERM without CAP_SYS_ADMIN over the mount
  /// namespace; EINVAL where the mounts below are those of a more powerful user and may not be taken off;
  /// ENOSYS before Linux 5.12.
  package func detachedMount(withMountsBelow: Bool) throws(Errno) -> FileDescriptorOwner {
    FileDescriptorOwner(
      owning: try checked { cstrata_clone_mount(rawValue, withMountsBelow ? 1 : 0) })
  }
}

/// Whether `path` is the root of a mount now.
///
/// ENOENT and the like are thrown.
package func isMountPoint(_ path: RawPath) throws(Errno) -> Bool {
  try FileDescriptor.workingDirectory.status(of: path, follow: true).isMountRoot
}
