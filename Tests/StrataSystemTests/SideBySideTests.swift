import StrataSystem
import Testing

@Suite struct SideBySideTests {
  private struct Failure: Error, Equatable { var number: Int }

  private func run(
    _ count: Int, threads: Int, _ work: @escaping @Sendable (Int, StopMark) -> Failure?
  ) throws -> (reports: [Int], failures: Int) {
    var reports: [Int] = []
    var failures = 0
    do throws(Failure) {
      try runSideBySide(count, threads: threads) { number, mark, report in
        report(number)
        return work(number, mark)
      } onReport: {
        reports.append($0)
      } onFailure: {
        failures += 1
      } noThread: { _ in
        Failure(number: -1)
      }
    } catch {
      #expect(error == Failure(number: 3))
      return (reports, failures)
    }
    #expect(failures == 0)
    return (reports, failures)
  }

  @Test(arguments: [1, 2, 5]) func allPiecesAreDoneAndReported(threads: Int) throws {
    #expect(try run(0, threads: threads) { _, _ in nil }.reports == [])
    let reports = try run(20, threads: threads) { _, _ in nil }.reports
    #expect(reports.sorted() == Array(0..<20))
    if threads == 1 { #expect(reports == Array(0..<20)) }
  }

  @Test func theFirstFailureEndsTheOthers() throws {
    let (reports, failures) = try run(100, threads: 2) { number, mark in
      if number == 3 { return Failure(number: 3) }
      if number > 3 {
        while !mark.isStopped { pause(milliseconds: 1) }
        return Failure(number: number)
      }
      return nil
    }
    #expect(failures == 1)
    #expect(reports.count <= 6)
  }
}
