import StrataModel
import Testing

@Suite struct TimestampTests {
  @Test(arguments: [
    ("1970-01-01T00:00:00Z", Int64(0), UInt32(0)),
    ("2026-11-24T04:19:02.74208006Z", 1_795_493_942, 742_080_060),
    ("1969-12-31T23:59:59.5Z", -1, 500_000_000),
    ("2000-02-29T12:00:00Z", 951_825_600, 0),
    ("0001-01-01T00:00:00Z", -62_135_596_800, 0),
  ])
  func spellsAsGoDoes(_ text: String, _ seconds: Int64, _ nanoseconds: UInt32) throws {
    let read = try #require(Timestamp(text))
    #expect(read.seconds == seconds)
    #expect(read.nanoseconds == nanoseconds)
    #expect(Timestamp(seconds: seconds, nanoseconds: nanoseconds).description == text)
  }

  @Test func keepsAnOffsetAsItWasRead() throws {
    let text = "2026-11-24T06:19:02+02:00"
    let read = try #require(Timestamp(text))
    #expect(read.description == text)
    #expect(read == Timestamp("2026-11-24T04:19:02Z"))
  }

  @Test(arguments: [
    "", "2026-11-24", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-11-24T04:19:02", "x",
  ])
  func refuses(_ text: String) {
    #expect(Timestamp(text) == nil)
  }
}
