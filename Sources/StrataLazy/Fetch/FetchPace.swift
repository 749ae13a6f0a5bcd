import StrataSystem
import Synchronization

/// Holds back what nobody waits for: it is limited in its rate, and pauses while a reader waits.
final class FetchPace: Sendable {
  private struct State {
    /// Reads that wait for bytes.
    var readers = 0
    /// When the bytes that were let through so far are all paid for.
    var paid: UInt64 = 0
  }

  private let rate: Int64?
  private let state = Mutex(State())

  /// The longest that readers hold one piece up: what is forced comes to its end beside them.
  private static let longestPause: UInt64 = 2_000_000_000
  private static let step: UInt64 = 10_000_000

  /// `rate` in bytes a second over everything but readers; nil for no limit.
  init(rate: Int64?) { self.rate = rate }

  func readerBegan() { state.withLock { $0.readers += 1 } }
  func readerEnded() { state.withLock { $0.readers -= 1 } }

  /// Returns when `count` bytes more may be asked for, or have come and the next ones may.
  func take(_ count: Int) async {
    var paused: UInt64 = 0
    while paused < Self.longestPause, state.withLock({ $0.readers > 0 }) {
      try? await Task.sleep(nanoseconds: Self.step)
      paused += Self.step
    }
    guard let rate, rate > 0 else { return }
    let cost = UInt64(Double(count) / Double(rate) * 1_000_000_000)
    let wait = state.withLock { state -> UInt64 in
      let now = monotonicNanoseconds()
      let start = max(state.paid, now)
      state.paid = start + cost
      return start - now
    }
    if wait > 0 { try? await Task.sleep(nanoseconds: wait) }
  }
}
