import Synchronization

/// A mark by which pieces of work learn that the others have failed.
package final class StopMark: Sendable {
  private let isSet = Atomic<Bool>(false)

  package init() {}

  /// Whether what is under way is wanted no more.
  package var isStopped: Bool { isSet.load(ordering: .relaxed) }

  func stop() { isSet.store(true, ordering: .relaxed) }
}

/// Runs pieces of work `0..<count` on at most `threads` threads, each begun after the ones before it.
///
/// What pieces report is seen by `onReport` on the caller's thread, in the order in which it came. The
/// first failure is thrown when all threads have ended: the others are told by the mark that each piece
/// gets, then by `onFailure`, and their failures do not count. `noThread` makes the error where the
/// kernel gives no thread at all.
package func runSideBySide<Report: Sendable, Failure: Error & Sendable>(
  _ count: Int, threads: Int,
  work: @escaping @Sendable (Int, StopMark, @escaping @Sendable (Report) -> Void) -> Failure?,
  onReport: (Report) -> Void, onFailure: () -> Void, noThread: (Errno) -> Failure
) throws(Failure) {
  let desk = Monitor(Desk<Report, Failure>())
  let mark = StopMark()
  let body: @Sendable () -> Void = {
    while let number = desk.change({ $0.take(count, mark) }) {
      let failure = work(number, mark) { report in desk.change { $0.reports.append(report) } }
      desk.change { desk in
        if let failure, desk.failure == nil {
          desk.failure = failure
          mark.stop()
        }
      }
    }
    desk.change { $0.running -= 1 }
  }
  var started: [WorkerThread] = []
  for _ in 0..<min(threads, count) {
    do throws(Errno) {
      desk.change { $0.running += 1 }
      started.append(WorkerThread(try JoinableThread(body)))
    } catch {
      desk.change { $0.running -= 1 }
      if started.isEmpty { throw noThread(error) }
      break
    }
  }
  var isTold = false
  while true {
    let (reports, failed, isOver) = desk.wait { desk -> ([Report], Bool, Bool)? in
      let failed = desk.failure != nil && !isTold
      if desk.reports.isEmpty, !failed, desk.running > 0 { return nil }
      defer { desk.reports = [] }
      return (desk.reports, failed, desk.running == 0)
    }
    for report in reports { onReport(report) }
    if failed {
      isTold = true
      onFailure()
    }
    if isOver { break }
  }
  started = []
  if let failure = desk.change({ $0.failure }) { throw failure }
}

private struct Desk<Report, Failure> {
  var next = 0
  var running = 0
  var reports: [Report] = []
  var failure: Failure?

  /// The next piece; nil if there is none, or no more is wanted.
  mutating func take(_ count: Int, _ mark: StopMark) -> Int? {
    if next == count || mark.isStopped { return nil }
    defer { next += 1 }
    return next
  }
}
