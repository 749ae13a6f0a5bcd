package import StrataSystem

/// A sink that can forget what was written to it.
package protocol RewritableSink: ByteSink {
  /// What is written next is the first.
  func restart() throws(StreamError)
}

extension FileDescriptor {
  /// Empties a file; `what` is for the message.
  func restart(_ what: String) throws(StreamError) {
    do throws(Errno) {
      try truncate(to: 0)
      _ = try seek(0)
    } catch {
      throw StreamError(error, what)
    }
  }
}
