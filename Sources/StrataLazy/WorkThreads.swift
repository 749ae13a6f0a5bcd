import StrataSystem
import Synchronization

/// Threads for work that blocks or computes for long: inflating, hashing, writing.
///
/// Swift's own pool has as many threads as there are cores, all of which the network needs. Threads
/// are started when there is work, at most `limit`, and end when there is none.
package final class WorkThreads: Sendable {
  private struct State {
    var queue: [@Sendable () -> Void] = []
    var threads = 0
  }

  private let limit: Int
  private let state = Mutex(State())

  package init(limit: Int) { self.limit = limit }

  /// Runs `body` on one of the threads and returns what it returns.
  package func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
      add { continuation.resume(returning: body()) }
    }
  }

  /// Runs `body` on one of the threads some time.
  package func add(_ body: @escaping @Sendable () -> Void) {
    let starts = state.withLock { state in
      state.queue.append(body)
      guard state.threads < limit else { return false }
      state.threads += 1
      return true
    }
    guard starts else { return }
    do throws(Errno) {
      try startDetachedThread { [self] in work() }
    } catch {
      // No thread is to be had: this one does it.
      work()
    }
  }

  private func work() {
    while let next = state.withLock({ state -> (@Sendable () -> Void)? in
      if state.queue.isEmpty {
        state.threads -= 1
        return nil
      }
      return state.queue.removeFirst()
    }) { next() }
  }
}
