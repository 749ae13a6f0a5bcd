/// The names of a layer's entries so far, each as a keyed hash of 128 bits: the one part of an
/// import's memory that grows with the layer.
///
/// The keys are random for each process, so nobody can prepare two names that collide.
struct SeenNames {
  private struct Key: Hashable {
    var first: Int
    var second: Int
  }

  private var keys: Set<Key> = []

  /// Adds a name; false if it was there.
  mutating func insert(_ name: [UInt8]) -> Bool { keys.insert(Self.key(name)).inserted }

  /// Whether a name was added.
  func contains(_ name: [UInt8]) -> Bool { keys.contains(Self.key(name)) }

  private static func key(_ name: [UInt8]) -> Key {
    var first = Hasher()
    first.combine(0)
    first.combine(name)
    var second = Hasher()
    second.combine(1)
    second.combine(name)
    return Key(first: first.finalize(), second: second.finalize())
  }
}
