import StrataLazy
import StrataSystem
import Testing

/// A blob is completed when the layers of its image were looked up and a container has started, not
/// beside that: on a link of 100 Mbit/s a lazy pull took ten times as long.
@Suite struct FetchPaceTests {
  @Test func aBlobWaitsUntilNobodyHasWaitedForAWhile() async throws {
    let pace = FetchPace(rate: nil)
    pace.readerBegan()
    async let begun = begun(after: pace)
    // Longer than the calm would be, but somebody waits.
    try await Task.sleep(nanoseconds: 2_500_000_000)
    pace.readerEnded()
    let end = monotonicNanoseconds()
    #expect(await begun >= end + 2_000_000_000)
  }

  private func begun(after pace: FetchPace) async -> UInt64 {
    await pace.calm()
    return monotonicNanoseconds()
  }
}
