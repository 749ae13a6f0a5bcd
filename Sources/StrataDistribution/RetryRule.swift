import StrataModel

/// When a request is made again, and after how long.
package struct RetryRule: Sendable {
  /// How often a request is made at most.
  package var attempts = 6
  /// The first wait; each further one is twice as long.
  package var firstWait = 50
  /// The longest wait that we choose ourselves.
  package var longestWait = 5_000
  /// The longest wait that a registry may ask for.
  package var longestRetryAfter = 60_000

  package init() {}

  /// Whether the same request may be answered better later: too slow, too many, or out of order.
  package static func isPassing(status: Int) -> Bool {
    status == 408 || status == 429 || (500...599).contains(status)
  }

  /// The wait before attempt number `next` (the first is 0) in milliseconds; nil where there is none.
  ///
  /// `chance` from 0 to 1 spreads clients that failed together over half of the wait. `retryAfter` is
  /// what the registry asked for, in milliseconds.
  package func wait(before next: Int, retryAfter: Int? = nil, chance: Double) -> Int? {
    guard next > 0, next < attempts else { return nil }
    if let retryAfter { return min(max(retryAfter, 0), longestRetryAfter) }
    let wait = min(firstWait << min(next - 1, 16), longestWait)
    return wait / 2 + Int(Double(wait) / 2 * chance)
  }

  /// The milliseconds that a `Retry-After` asks for: seconds, or a date (RFC 9110, 10.2.3).
  package static func retryAfter(_ text: String, now: Int64) -> Int? {
    if let seconds = Int(text) {
      return seconds < 0 ? nil : Int(min(seconds, 1_000_000)) * 1000
    }
    guard let date = seconds(ofDate: text) else { return nil }
    return Int(min(max(date - now, 0), 1_000_000)) * 1000
  }

  /// `Wed, 21 Oct 2015 07:28:00 GMT`.
  private static func seconds(ofDate text: String) -> Int64? {
    let words = text.split(separator: " ")
    let months = [
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    guard words.count == 6, words[5] == "GMT",
      let month = months.firstIndex(of: String(words[2]))
    else { return nil }
    let number = month < 9 ? "0\(month + 1)" : "\(month + 1)"
    return Timestamp("\(words[3])-\(number)-\(words[1])T\(words[4])Z")?.seconds
  }
}
