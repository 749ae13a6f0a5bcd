import CStrata
import Glibc

/// What becomes of one of a file's times.
package enum TimeChange: Sendable {
  case keep
  case now
  case to(FileTime)

  fileprivate var parts: (Int64, Int64) {
    switch self {
    case .keep: (0, Int64(CSTRATA_UTIME_OMIT))
    case .now: (0, Int64(CSTRATA_UTIME_NOW))
    case .to(let time): (time.seconds, Int64(time.nanoseconds))
    }
  }
}

extension FileDescriptor {
  /// Sets the times of a name below this directory; a final link is not followed.
  ///
  /// C: `utimensat`.
  package func setTimes(of path: RawPath, access: TimeChange, modification: TimeChange)
    throws(Errno)
  {
    let (a, m) = (access.parts, modification.parts)
    try unsafe path.withCString { name throws(Errno) in
      try check {
        unsafe cstrata_utimensat(
          rawValue, name, a.0, a.1, m.0, m.1, Int32(AT_SYMLINK_NOFOLLOW))
      }
    }
  }

  /// Sets the times of this open file (not O_PATH).
  ///
  /// C: `futimens`.
  package func setTimes(access: TimeChange, modification: TimeChange) throws(Errno) {
    let (a, m) = (access.parts, modification.parts)
    try check { cstrata_utimensat(rawValue, nil, a.0, a.1, m.0, m.1, 0) }
  }

  /// Sets owner and group of a name; a final link is not followed.
  ///
  /// C: `fchownat`.
  package func setOwner(of path: RawPath, uid: UInt32, gid: UInt32) throws(Errno) {
    try unsafe path.withCString { name throws(Errno) in
      try check { unsafe cstrata_fchownat(rawValue, name, uid, gid, Int32(AT_SYMLINK_NOFOLLOW)) }
    }
  }

  /// Sets owner and group of this open file, O_PATH too.
  ///
  /// C: `fchownat(AT_EMPTY_PATH)`.
  package func setOwner(uid: UInt32, gid: UInt32) throws(Errno) {
    try check { unsafe cstrata_fchownat(rawValue, "", uid, gid, 0x1000) }
  }

  /// Sets the permission bits of a name, which must not be a symbolic link.
  ///
  /// C: `fchmodat`.
  package func setMode(of path: RawPath, _ mode: UInt32) throws(Errno) {
    try unsafe path.withCString { name throws(Errno) in
      try check { unsafe cstrata_fchmodat(rawValue, name, mode, 0) }
    }
  }

  /// Sets the permission bits of this open file (not O_PATH).
  ///
  /// C: `fchmod`.
  package func setMode(_ mode: UInt32) throws(Errno) {
    try check { unsafe cstrata_fchmodat(rawValue, "", mode, 0x1000) }
  }
}
