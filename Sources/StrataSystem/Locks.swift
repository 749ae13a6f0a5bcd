import CStrata
import Glibc
import Synchronization

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

  /// Waits for the lock until a time of `monotonicNanoseconds`, or as long as it takes; false if the
  /// time is up.
  ///
  /// A thread waits in the kernel meanwhile: asking again and again would never be served while others
  /// queue there. If it comes too late it gives the lock back at once. `isStopped` is asked now and
  /// then; its EINTR ends the wait.
  package func lock(
    _ kind: RecordLockKind, until end: UInt64?, _ isStopped: () throws(Errno) -> Void
  ) throws(Errno) -> Bool {
    // The lock belongs to the open file, whichever descriptor of it takes it.
    let twin = SharedDescriptor(try duplicate())
    let answer = LockAnswer()
    try startDetachedThread {
      do throws(Errno) {
        try twin.view.lock(kind)
        answer.give(.success(()))
      } catch {
        answer.give(.failure(error))
      }
    }
    while true {
      if let result = answer.take() {
        try result.get()
        return true
      }
      if let end, monotonicNanoseconds() >= end { return false }
      try isStopped()
      pause(milliseconds: 5)
    }
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

/// What the thread that waits for a lock says to the one that waits for it.
private final class LockAnswer: Sendable {
  private let result = Mutex<Result<Void, Errno>?>(nil)

  func give(_ answer: Result<Void, Errno>) { result.withLock { $0 = answer } }
  func take() -> Result<Void, Errno>? { result.withLock { $0 } }
}
