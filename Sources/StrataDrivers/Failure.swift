package import StrataModel
package import StrataSystem

extension StoreError {
  /// A kernel error with its context, as Go words it: `context: text`.
  package init(errno: Errno, _ context: String) {
    self.init(.system(errno.rawValue), "\(context): \(errno)")
  }
}

/// Runs a system call and words its error as the Go tools do: `verb path: text`.
package func naming<Result: ~Copyable>(
  _ verb: String, _ path: RawPath, _ call: () throws(Errno) -> Result
) throws(StoreError) -> Result {
  do throws(Errno) {
    return try call()
  } catch {
    throw StoreError(errno: error, "\(verb) \(path)")
  }
}
