/// When a worker that died is started again: at once, then after 0.1, 1 and 5 seconds, and not at all
/// after the fifth death in a minute.
///
/// A mount that nobody will ever serve again hangs every podman command; one that is gone does not.
package struct RestartRule: Sendable {
  private static let minute: UInt64 = 60_000_000_000
  /// Nanoseconds.
  private static let delays: [UInt64] = [0, 100_000_000, 1_000_000_000, 5_000_000_000]
  /// When workers died, within a minute of the last death.
  private var deaths: [UInt64] = []

  package init() {}

  /// A worker died at a time of `monotonicNanoseconds`; how many nanoseconds to wait before the next is
  /// started, nil: none is.
  package mutating func died(at now: UInt64) -> UInt64? {
    deaths.removeAll { now - $0 >= Self.minute }
    deaths.append(now)
    return deaths.count <= Self.delays.count ? Self.delays[deaths.count - 1] : nil
  }
}
