package import StrataModel
package import StrataSystem

extension StoreError {
  /// The kernel's refusal of `what`, a verb and a path: `open /x/layers.lock: read-only file system`.
  package init(_ errno: Errno, _ what: String) {
    self.init(.system(errno.rawValue), "\(what): \(errno)")
  }

  /// A stream's failure.
  package init(_ error: StreamError) {
    if case .system(let errno) = error.kind {
      self.init(.system(errno.rawValue), error.message)
    } else {
      self.init(.stream, error.message)
    }
  }

  /// Whether there is no room on a disk, or within somebody's share of it.
  package var isOfFullDisk: Bool { errno == .noSpace || errno == .quotaExceeded }

  /// The kernel's error number, if it was the kernel that refused.
  package var errno: Errno? {
    if case .system(let number) = code { Errno(rawValue: number) } else { nil }
  }
}
