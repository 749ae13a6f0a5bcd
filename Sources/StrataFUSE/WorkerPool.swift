import StrataSystem
import Synchronization

/// Threads for requests that would hold up the reader: made when there is work, at most eight, gone
/// when there is none.
///
/// A full pool only makes jobs wait: whoever waits in a job waits for one that runs.
package final class WorkerPool: Sendable {
  private struct State {
    var queue: [@Sendable () -> Void] = []
    var threads = 0
    /// Jobs that an INTERRUPT may ask to end, by the number of their request.
    var jobs: [UInt64: WorkerJob] = [:]
  }

  private static let limit = 8
  private let state = Mutex(State())

  package init() {}

  /// Runs `body` on a worker; on this thread if none is to be had.
  package func run(_ context: RequestContext, _ body: @escaping @Sendable (WorkerJob) -> Void) {
    let job = WorkerJob(caller: context.pid)
    let unique = context.unique
    let starts = state.withLock { state in
      state.jobs[unique] = job
      state.queue.append { [self] in
        body(job)
        self.state.withLock { $0.jobs[unique] = nil }
      }
      guard state.threads < Self.limit else { return false }
      state.threads += 1
      return true
    }
    guard starts else { return }
    do throws(Errno) {
      try startDetachedThread { [self] in
        // Files are made under the umask of a caller: never another thread's.
        try? separateThreadUmask()
        setThreadUmask(0)
        work()
      }
    } catch {
      work()
    }
  }

  /// An INTERRUPT came for a request; one that is not here is left alone.
  package func interrupt(_ unique: UInt64) {
    state.withLock { $0.jobs[unique] }?.signal()
  }

  private func work() {
    while let next = state.withLock({ state -> (@Sendable () -> Void)? in
      if state.queue.isEmpty {
        state.threads -= 1
        return nil
      }
      return state.queue.removeFirst()
    }) {
      next()
    }
  }
}

/// A request in the hands of a worker.
package final class WorkerJob: Sendable {
  private let signalled = Atomic<Bool>(false)
  /// The thread that waits for the answer; 0 if it is in a namespace that cannot be seen from here.
  private let caller: UInt32

  init(caller: UInt32) { self.caller = caller }

  func signal() { signalled.store(true, ordering: .releasing) }

  /// Whether the caller is being killed, so that nobody wants the answer.
  ///
  /// INTERRUPT comes for every signal and once only; the kernel's own copy-up gives in to SIGKILL
  /// alone, and a program would be surprised by EINTR of open(2) otherwise.
  package var isCancelled: Bool {
    guard signalled.load(ordering: .acquiring) else { return false }
    guard caller != 0,
      let status = try? FileDescriptor.workingDirectory.contents(
        of: RawPath("/proc/\(caller)/status"), limit: 16384)
    else { return true }
    for line in status.split(separator: UInt8(ascii: "\n")) {
      guard line.starts(with: Array("SigPnd:".utf8)) || line.starts(with: Array("ShdPnd:".utf8))
      else { continue }
      let digits = String(decoding: line.dropFirst(7).drop { $0 <= 32 }, as: UTF8.self)
      // SIGKILL is number 9; other deadly signals become it while they are delivered.
      if (UInt64(digits, radix: 16) ?? 0) & (1 << 8) != 0 { return true }
    }
    return false
  }
}

/// Keeps a reply for a worker, which takes it once.
package final class DeferredReply<Reply: ~Copyable & Sendable>: Sendable {
  private let reply: Mutex<Reply?>

  package init(_ reply: consuming Reply) { self.reply = Mutex(reply) }

  /// Nil the second time.
  package func take() -> Reply? { reply.withLock { $0.take() } }
}
