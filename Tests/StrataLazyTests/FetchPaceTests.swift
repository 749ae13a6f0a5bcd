import StrataLazy
import Testing

/// A blob is completed when the layers of its image were looked up and a container has started, not
/// beside that: on a link of 100 Mbit/s a lazy pull took ten times as long.
@Suite struct FetchPaceTests {
  /// Nanoseconds.
  private let second: UInt64 = 1_000_000_000

  @Test func whoeverAskedForABlobMayReadFirst() {
    let pace = FetchPace(rate: nil)
    #expect(pace.delay(since: 10 * second, at: 10 * second) == 2 * second)
    #expect(pace.delay(since: 10 * second, at: 11 * second) == second)
    #expect(pace.delay(since: 10 * second, at: 12 * second) == nil)
  }

  @Test func aBlobWaitsForReadersAndForTwoSecondsMore() {
    let pace = FetchPace(rate: nil)
    pace.readerBegan()
    pace.readerBegan()
    #expect(pace.delay(since: 10 * second, at: 15 * second) != nil)
    pace.readerEnded(at: 16 * second)
    #expect(pace.delay(since: 10 * second, at: 19 * second) != nil)
    pace.readerEnded(at: 20 * second)
    #expect(pace.delay(since: 10 * second, at: 21 * second) == second)
    #expect(pace.delay(since: 10 * second, at: 22 * second) == nil)
  }

  @Test func readersWhoNeverLeaveOffDoNotPutItOffForEver() {
    let pace = FetchPace(rate: nil)
    pace.readerBegan()
    #expect(pace.delay(since: 10 * second, at: 39 * second) != nil)
    #expect(pace.delay(since: 10 * second, at: 40 * second) == nil)
  }
}
