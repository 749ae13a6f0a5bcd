import CStrata
import Glibc

/// Whole-file record locks that belong to the open file description, so that closing another
/// descriptor of the file does not drop them.
///
/// They exclude the process-owned locks of the Go tools.
package enum RecordLockKind: Int32, Sendable {
  case shared = 0
  case exclusive = 1
}

extension FileDescriptor {
  /// Waits for the lock.
  ///
  /// C: `fcntl(F_OFD_SETLKW)` over offset 0 to infinity.
  package func lock(_ kind: RecordLockKind) throws(Errno) {
    try check { cstrata_ofd_lock(rawValue, kind.rawValue, 1) }
  }

  /// Takes the lock if nobody holds it; false if somebody does.
  ///
  /// C: `fcntl(F_OFD_SETLK)`.
  package func tryLock(_ kind: RecordLockKind) throws(Errno) -> Bool {
    do throws(Errno) {
      try check { cstrata_ofd_lock(rawValue, kind.rawValue, 0) }
      return true
    } catch {
      if error == .wouldBlock || error == .permissionDenied { return false }
      throw error
    }
  }

  /// Gives the lock back.
  ///
  /// C: `fcntl(F_OFD_SETLK, F_UNLCK)`.
  package func unlock() throws(Errno) {
    try check { cstrata_ofd_lock(rawValue, 2, 0) }
  }

  /// An advisory lock of the other kind.
  ///
  /// C: `flock`; false where it is held and `wait` is false.
  package func flock(exclusive: Bool, wait: Bool) throws(Errno) -> Bool {
    let operation = (exclusive ? LOCK_EX : LOCK_SH) | (wait ? 0 : LOCK_NB)
    do throws(Errno) {
      try check { cstrata_flock(rawValue, operation) }
      return true
    } catch {
      if error == .wouldBlock { return false }
      throw error
    }
  }
}
