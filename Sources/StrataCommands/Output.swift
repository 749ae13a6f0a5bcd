package import StrataSystem

/// Standard output and standard error of the process.
///
/// Output is collected and written in large pieces; whoever writes to a descriptor directly flushes
/// first. Used by the main thread alone.
package final class Output {
  private let target: FileDescriptor
  private let errorTarget: FileDescriptor
  private var pending: [UInt8] = []
  private var failure: Errno?

  /// Writes to these descriptors.
  package init(
    _ target: FileDescriptor = .standardOutput, errors: FileDescriptor = .standardError
  ) {
    self.target = target
    errorTarget = errors
  }

  /// Text without a line end.
  func write(_ text: String) {
    pending.append(contentsOf: text.utf8)
    if pending.count > 1 << 16 { flush() }
  }

  /// Bytes as they are.
  func write(bytes: [UInt8]) {
    pending += bytes
    if pending.count > 1 << 16 { flush() }
  }

  /// A line.
  func line(_ text: String) { write(text + "\n") }

  /// Bytes and a line end.
  func line(bytes: [UInt8]) {
    write(bytes: bytes)
    pending.append(UInt8(ascii: "\n"))
  }

  /// A line on standard error, after what was written before it.
  func error(_ text: String) { errorText(text + "\n") }

  /// Text on standard error as it is.
  func errorText(_ text: String) {
    flush()
    try? errorTarget.writeAll(Array(text.utf8))
  }

  /// Hands everything over.
  ///
  /// A reader that went away is no error of ours; anything else is told by `finish`.
  package func flush() {
    defer { pending = [] }
    if pending.isEmpty { return }
    do throws(Errno) {
      try target.writeAll(pending)
    } catch {
      if error != .brokenPipe { failure = failure ?? error }
    }
  }

  /// Hands everything over; false, with a line on standard error, if not all of it was taken.
  package func finish(_ program: String) -> Bool {
    flush()
    guard let failure else { return true }
    error("\(program): write standard output: \(failure)")
    return false
  }
}
