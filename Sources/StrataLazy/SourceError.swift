package import StrataSystem

/// Why a source gave nothing.
package struct SourceError: Error, Sendable, CustomStringConvertible {
  /// What went wrong, coarsely: it decides what a caller is told and whether to try again.
  package enum Kind: Sendable, Hashable {
    /// No such image or blob, at any mirror.
    case notFound
    /// The registry wants credentials, or refuses those that there are.
    case unauthorized
    /// The configuration forbids the registry.
    case blocked
    /// No mirror answered in time, or all broke off.
    case unreachable
    /// A mirror answered a range with other bytes than asked for, or a blob of another size.
    case wrongRange
    /// A manifest or config is not what it should be: a wrong digest, no JSON, no layers.
    case malformed
    /// The reference is no image name that can be asked for.
    case badReference
    /// The kernel refused a local file.
    case system(Errno)
  }

  package var kind: Kind
  /// One line for the log: what was asked, of whom, and what came.
  package var message: String

  package init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  package var description: String { message }

  /// What a file system call that needed the source answers.
  package var errno: Errno {
    switch kind {
    case .notFound, .blocked: .noSuchFileOrDirectory
    default: .inputOutputError
    }
  }
}
