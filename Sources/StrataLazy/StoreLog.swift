package import StrataSystem

/// Lines about what the daemon does, on standard error, where systemd's journal takes them.
///
/// From any thread; one write a line.
package struct StoreLog: Sendable {
  private let level: LogLevel

  package init(level: LogLevel) { self.level = level }

  package func write(_ text: String, _ level: LogLevel) {
    guard level <= self.level else { return }
    let word =
      switch level {
      case .error: "error"
      case .warning: "warning"
      case .info: "info"
      case .debug: "debug"
      }
    let line = text.replacing("\n", with: " ")
    try? FileDescriptor.standardError.writeAll(Array("strata-lazy: \(word): \(line)\n".utf8))
  }
}
