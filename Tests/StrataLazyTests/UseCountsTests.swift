import StrataLazy
import StrataSystem
import StrataTestSupport
import Testing

@Suite("Counts of users, and when workers are started again")
struct UseCountsTests {
  private let scratch: ScratchDirectory
  private let memory: SharedMemory
  private let layer = UseCounts.Layer(path: "aW1hZ2U=/sha256:1", slot: 5)

  init() throws {
    scratch = try ScratchDirectory("uses")
    let file = SharedDescriptor(try SharedMemory.make("uses", size: UseLedger.size))
    memory = try SharedMemory(file.view, size: UseLedger.size)
  }

  private func counts(ledger: Bool = true) -> UseCounts {
    UseCounts(scratch.path(""), ledger ? UseLedger(memory, at: 0) : nil, layers: [layer])
  }

  @Test("a request that is given again counts once")
  func countsOnce() {
    let first = counts()
    first.take(layer, request: 10)
    first.take(layer, request: 12)
    #expect(first[layer.path] == 2)
    // Killed before the answer was sent: the next worker gets request 12 again.
    let second = counts()
    second.take(layer, request: 12)
    #expect(second[layer.path] == 2)
    second.release(layer, request: 14)
    let third = counts()
    third.release(layer, request: 14)
    #expect(third[layer.path] == 1)
  }

  @Test("releases of what nobody uses are nothing")
  func releasesNothing() {
    let counts = counts()
    counts.release(layer, request: 2)
    counts.take(layer, request: 4)
    counts.release(layer, request: 6)
    counts.release(layer, request: 8)
    #expect(counts[layer.path] == 0)
  }

  @Test("the file stays when holder and memory are gone, and memory is right where they differ")
  func keepsFile() throws {
    counts().take(layer, request: 10)
    #expect(counts(ledger: false)[layer.path] == 1)
    try scratch.write("uses", "7 \(layer.path)\nnonsense\n-1 x\n3 other\n")
    #expect(counts()[layer.path] == 1)
    #expect(counts()["other"] == 3)
    #expect(counts(ledger: false)[layer.path] == 7)
  }

  @Test(
    "workers are started again after 0, 0.1, 1 and 5 s, and not after the fifth death in a minute")
  func restartRule() {
    let second: UInt64 = 1_000_000_000
    var rule = RestartRule()
    #expect(rule.died(at: 100 * second) == 0)
    #expect(rule.died(at: 100 * second) == second / 10)
    #expect(rule.died(at: 101 * second) == second)
    #expect(rule.died(at: 103 * second) == 5 * second)
    #expect(rule.died(at: 159 * second) == nil)
    // A minute later all is forgotten.
    #expect(rule.died(at: 300 * second) == 0)
    // One death a minute is none too many.
    for minute in UInt64(6)..<20 { #expect(rule.died(at: minute * 60 * second) == 0) }
  }
}
