/// Why no configuration could be made; the text says what, where and what to do.
package struct ConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The text.
  package var description: String

  /// An error of this text.
  package init(_ description: String) {
    self.description = description
  }
}
