import StrataModel
import StrataSystem

/// A failed system call as an error of the store: what was done, to what, and why it failed.
func systemError(_ errno: Errno, _ what: String) -> StoreError {
  StoreError(.system(errno.rawValue), "\(what): \(errno)")
}

/// Runs system calls whose failure is told as `what: reason`.
func calling<Result: ~Copyable>(
  _ what: @autoclosure () -> String, _ body: () throws(Errno) -> Result
) throws(StoreError) -> Result {
  do throws(Errno) {
    return try body()
  } catch {
    throw systemError(error, what())
  }
}

/// Runs stream operations whose failure is told as `what: reason`.
func streaming<Result>(
  _ what: @autoclosure () -> String, _ body: () throws(StreamError) -> Result
) throws(StoreError) -> Result {
  do throws(StreamError) {
    return try body()
  } catch {
    throw storeError(error, what())
  }
}

/// A failed stream as an error of the store.
func storeError(_ error: StreamError, _ what: String) -> StoreError {
  if case .system(let errno) = error.kind {
    return StoreError(.system(errno.rawValue), "\(what): \(error)")
  }
  return StoreError(.stream, "\(what): \(error)")
}

/// Something in an image that is not as the formats demand.
func malformed(_ message: String) -> StoreError { StoreError(.stream, message) }
