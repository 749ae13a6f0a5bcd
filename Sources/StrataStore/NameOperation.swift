import StrataModel

/// What a name operation does with the names that a record has.
package enum NameOperation: Sendable {
  /// The new names alone.
  case set
  /// The new names, then the old ones (the order of 1.46 and later).
  case add
  /// The old names without these.
  case remove

  /// The names that result, without repetitions.
  package func result(old: [String], given: [String]) -> [String] {
    switch self {
    case .set: Identifiers.deduplicated(given)
    case .add: Identifiers.deduplicated(given + old)
    case .remove: old.filter { !given.contains($0) }
    }
  }
}
