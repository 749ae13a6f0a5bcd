import StrataSystem
import Synchronization

/// Holds back what nobody waits for: it is limited in its rate, begins when it has become calm, and
/// pauses while somebody waits.
package final class FetchPace: Sendable {
  private struct State {
    /// Reads that wait for bytes, and lookups that wait for an index.
    var readers = 0
    /// When the last of them ended.
    var lastEnd: UInt64 = 0
    /// When the bytes that were let through so far are all paid for.
    var paid: UInt64 = 0
  }

  private let rate: Int64?
  private let state = Mutex(State())

  /// The longest that readers hold one piece up: what is forced comes to its end beside them.
  private static let longestPause: UInt64 = 2_000_000_000
  private static let step: UInt64 = 10_000_000
  /// How long nobody may have waited before a whole blob is begun.
  ///
  /// The layers of an image are looked up one behind the other, and then a container starts. What a blob
  /// has on the way when somebody comes is before him on a slow link, and may be megabytes.
  private static let calmTime: UInt64 = 2_000_000_000
  /// The longest that a blob is put off by readers who never leave off.
  private static let longestDelay: UInt64 = 30_000_000_000

  /// `rate` in bytes a second over everything but readers; nil for no limit.
  package init(rate: Int64?) { self.rate = rate }

  package func readerBegan() { state.withLock { $0.readers += 1 } }

  package func readerEnded(at now: UInt64 = monotonicNanoseconds()) {
    state.withLock {
      $0.readers -= 1
      $0.lastEnd = now
    }
  }

  /// Returns when nobody has waited for a while, or when readers have put it off for long enough.
  func calm() async {
    let start = monotonicNanoseconds()
    while let wait = delay(since: start, at: monotonicNanoseconds()) {
      try? await Task.sleep(nanoseconds: wait)
    }
  }

  /// In how many nanoseconds to look again for what has been put off since `start`; nil: it may begin.
  package func delay(since start: UInt64, at now: UInt64) -> UInt64? {
    if now - start >= Self.longestDelay { return nil }
    let (readers, lastEnd) = state.withLock { ($0.readers, $0.lastEnd) }
    if readers > 0 { return Self.calmTime / 4 }
    // Whoever asked for it may be about to read.
    let end = max(lastEnd, start) + Self.calmTime
    return now >= end ? nil : end - now
  }

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
