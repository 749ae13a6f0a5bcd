import CStrata
import Glibc

/// Flags of openat2(2), the kernel's values.
///
/// Close-on-exec is always set.
package struct OpenFlags: OptionSet, Sendable {
  package let rawValue: Int32
  package init(rawValue: Int32) { self.rawValue = rawValue }

  package static let readOnly: OpenFlags = []
  package static let writeOnly = OpenFlags(rawValue: O_WRONLY)
  package static let readWrite = OpenFlags(rawValue: O_RDWR)
  package static let create = OpenFlags(rawValue: O_CREAT)
  package static let exclusive = OpenFlags(rawValue: O_EXCL)
  package static let truncate = OpenFlags(rawValue: O_TRUNC)
  package static let append = OpenFlags(rawValue: O_APPEND)
  package static let directory = OpenFlags(rawValue: O_DIRECTORY)
  package static let noFollow = OpenFlags(rawValue: O_NOFOLLOW)
  package static let nonBlocking = OpenFlags(rawValue: O_NONBLOCK)
  package static let path = OpenFlags(rawValue: CSTRATA_O_PATH)
  package static let temporaryFile = OpenFlags(rawValue: CSTRATA_O_TMPFILE)
  package static let noAccessTime = OpenFlags(rawValue: CSTRATA_O_NOATIME)
}

/// RESOLVE_ flags of openat2(2): how names may lead away from the directory.
package struct ResolveFlags: OptionSet, Sendable {
  package let rawValue: UInt64
  package init(rawValue: UInt64) { self.rawValue = rawValue }

  /// The directory is the root of the walk: absolute links and `..` stay inside.
  package static let inRoot = ResolveFlags(rawValue: UInt64(CSTRATA_RESOLVE_IN_ROOT))
  /// A walk that leaves the directory fails with EXDEV.
  package static let beneath = ResolveFlags(rawValue: UInt64(CSTRATA_RESOLVE_BENEATH))
  /// Any symbolic link on the way, the last component too, fails with ELOOP.
  package static let noSymlinks = ResolveFlags(rawValue: UInt64(CSTRATA_RESOLVE_NO_SYMLINKS))
  package static let noMagicLinks = ResolveFlags(rawValue: UInt64(CSTRATA_RESOLVE_NO_MAGICLINKS))
  package static let noMountCrossing = ResolveFlags(rawValue: UInt64(CSTRATA_RESOLVE_NO_XDEV))
}

/// A file in memory that has no name anywhere; `name` shows in procfs alone.
///
/// C: `memfd_create`.
package func anonymousFile(_ name: RawPath) throws(Errno) -> FileDescriptorOwner {
  let number = try unsafe name.withCString { text throws(Errno) -> Int32 in
    try checked { unsafe cstrata_memfd(text) }
  }
  return FileDescriptorOwner(owning: number)
}

extension FileDescriptor {
  /// Opens a name relative to this directory.
  ///
  /// C: `openat2`; `openat` where no resolve flag is given.
  ///
  /// `resolve` other than empty needs Linux 5.6; EAGAIN (a rename raced with `..`) is retried.
  package func open(
    _ path: RawPath, _ flags: OpenFlags, mode: UInt32 = 0, resolve: ResolveFlags = []
  ) throws(Errno) -> FileDescriptorOwner {
    let number = try unsafe path.withCString { name throws(Errno) -> Int32 in
      if resolve.isEmpty {
        return try checked { unsafe cstrata_openat(rawValue, name, flags.rawValue, mode) }
      }
      // openat2 refuses a mode without O_CREAT or O_TMPFILE.
      let makes = flags.contains(.create) || flags.contains(.temporaryFile)
      for _ in 0..<64 {
        do throws(Errno) {
          return try checked {
            unsafe cstrata_openat2(
              rawValue, name, UInt64(UInt32(bitPattern: flags.rawValue)), makes ? UInt64(mode) : 0,
              resolve.rawValue)
          }
        } catch  where error == .wouldBlock {
          continue
        }
      }
      throw .wouldBlock
    }
    return FileDescriptorOwner(owning: number)
  }

  /// Opens the directory itself again with other flags: for one, to list an O_PATH descriptor.
  package func reopen(_ flags: OpenFlags) throws(Errno) -> FileDescriptorOwner {
    if flags.contains(.directory) { return try open(".", flags) }
    return try FileDescriptor.workingDirectory.open(procPath, flags)
  }
}
