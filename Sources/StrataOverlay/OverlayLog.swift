package import StrataSystem
import Synchronization

/// Lines for whoever looks after a mount: on standard error while the program stays in the foreground,
/// in the system's log once it is a daemon, whose standard error is closed.
package final class OverlayLog: Sendable {
  private let level: LogLevel
  private let usesSystemLog: Bool
  private struct Failure: Hashable {
    var error: Errno
    var place: RawPath
  }

  /// When each kind of failure was told of last, in nanoseconds.
  private let told = Mutex<[Failure: UInt64]>([:])

  package init(level: LogLevel, usesSystemLog: Bool) {
    self.level = level
    self.usesSystemLog = usesSystemLog
  }

  package func write(_ text: String, _ level: LogLevel) {
    guard level <= self.level else { return }
    if usesSystemLog {
      writeSystemLog(text, level)
    } else {
      try? FileDescriptor.standardError.writeAll(Array("strata-overlay: \(text)\n".utf8))
    }
  }

  /// What a person asked for: written whatever the level is.
  package func report(_ text: String) {
    if usesSystemLog {
      for line in text.split(separator: "\n") { writeSystemLog(String(line), .info) }
    } else {
      try? FileDescriptor.standardError.writeAll(Array(text.utf8))
    }
  }

  /// A request failed in a way that its caller did not cause, in the directory `place`: once a minute
  /// for each kind and place.
  package func failed(_ error: Errno, _ what: String, _ place: RawPath) {
    let now = monotonicNanoseconds()
    let isNew = told.withLock { told -> Bool in
      let failure = Failure(error: error, place: place)
      if let last = told[failure], now - last < 60_000_000_000 { return false }
      told[failure] = now
      return true
    }
    if isNew { write("requests fail: \(error) in the \(what) directory \(place)", .error) }
  }
}
