package import StrataModel
import StrataPersistence
package import StrataSystem

/// Runs a system call and words its error as the Go tools do: `verb path: text`.
package func naming<Result: ~Copyable>(
  _ verb: String, _ path: RawPath, _ call: () throws(Errno) -> Result
) throws(StoreError) -> Result {
  do throws(Errno) {
    return try call()
  } catch {
    throw StoreError(error, "\(verb) \(path)")
  }
}
