/// Why a registry could not be read or written: a kind to act on, and one line that names the registry.
package struct RegistryError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What kind of failure.
  package enum Kind: Sendable, Hashable {
    /// No connection, or it broke and nothing helped.
    case unreachable
    /// Not logged in, or not allowed.
    case denied
    /// No such repository, manifest or blob.
    case missing
    /// Any other answer that is no success.
    case status(Int)
    /// The bytes are not those that were promised, or the answer is not what the protocol demands.
    case malformed
    /// Something that is against the configuration: plain http, a certificate that is not trusted.
    case refused
  }

  package var kind: Kind
  /// One line for people.
  package var description: String

  package init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }
}
