package import StrataSystem

/// Standard output and standard error of the process.
///
/// Output is collected and written in large pieces; whoever writes to a descriptor directly flushes
/// first. Used by the main thread alone.
package final class Output {
  private let target: FileDescriptor
  private let errorTarget: FileDescriptor
  private var pending: [UInt8] = []

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
  /// A reader that went away is no error of ours.
  package func flush() {
    if !pending.isEmpty { try? target.writeAll(pending) }
    pending = []
  }
}
