package import StrataSystem
import Synchronization

/// Ends a mount when the process is asked to end: SIGTERM, SIGINT and SIGHUP unmount, after which
/// the session sees the end by itself.
///
/// SIGUSR1 asks for a report. SIGPIPE is ignored.
///
/// Signals are waited for on a thread of their own: the reader is inside read(2) nearly always, and
/// taking the mount away makes the kernel ask the reader.
package final class SignalWatcher: Sendable {
  private let asked = Atomic<Bool>(false)

  /// Whether one of the ending signals came.
  package var wasAskedToEnd: Bool { asked.load(ordering: .acquiring) }

  private static let signals = SignalSet([
    SignalSet.terminate, SignalSet.interrupt, SignalSet.hangUp, SignalSet.user1,
  ])

  /// Keeps the signals from the threads that start from now on.
  ///
  /// For a program that has threads before it has a mount: a signal goes to any that does not block it.
  package static func blockSignals() { signals.block() }

  /// Call after the last fork and before any other thread starts.
  ///
  /// EAGAIN if no thread is to be had.
  package init(_ mount: Mount, report: @escaping @Sendable () -> Void) throws(Errno) {
    ignoreBrokenPipes()
    let signals = Self.signals
    signals.block()
    try startDetachedThread { [self] in
      while true {
        if signals.wait() == SignalSet.user1 {
          report()
          continue
        }
        asked.store(true, ordering: .releasing)
        mount.unmount()
      }
    }
  }
}
