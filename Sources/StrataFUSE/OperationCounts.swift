import Synchronization

/// How many requests of each kind came.
final class OperationCounts: Sendable {
  /// By opcode; place 0 takes those that are not known.
  private let counts = Mutex([UInt64](repeating: 0, count: 64))

  func count(_ opcode: UInt32) {
    counts.withLock { $0[opcode < 64 ? Int(opcode) : 0] += 1 }
  }

  /// The kinds that came at all, by name, in the order of their opcodes.
  var named: [(name: String, count: UInt64)] {
    counts.withLock { $0 }.enumerated().compactMap { opcode, count in
      guard count > 0 else { return nil }
      return (Opcode(rawValue: UInt32(opcode)).map { "\($0)" } ?? "opcode\(opcode)", count)
    }
  }

  /// `# OPERATIONS: 12: 7 lookup, 5 open`, the most frequent first.
  var line: String {
    let counts = counts.withLock { $0 }
    let kinds = counts.enumerated().filter { $0.element > 0 }.sorted { $0.element > $1.element }.map
    {
      "\($0.element) \(Opcode(rawValue: UInt32($0.offset)).map { "\($0)" } ?? "of opcode \($0.offset)")"
    }
    return "# OPERATIONS: \(counts.reduce(0, +)): \(kinds.joined(separator: ", "))"
  }
}
