import Glibc

/// How much a line of a log matters; the numbers are syslog(3)'s.
package enum LogLevel: Int32, Comparable, Sendable {
  case error = 3
  case warning = 4
  case info = 6
  case debug = 7

  package static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }
}

/// Sends one line to the system's log; silently nowhere where there is none.
///
/// C: `syslog`.
package func writeSystemLog(_ text: String, _ level: LogLevel) {
  let daemon: Int32 = 3 << 3
  unsafe text.withCString { line in
    unsafe withVaList([line]) { unsafe vsyslog(level.rawValue | daemon, "%s", $0) }
  }
}
