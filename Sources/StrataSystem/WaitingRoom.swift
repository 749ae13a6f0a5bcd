/// State that several threads and tasks change, and that a thread can wait on.
///
/// For where a thread that may block meets work that may not: the thread waits here, the tasks only
/// change. No task waits.
package final class WaitingRoom<State: Sendable>: Sendable {
  private let monitor: Monitor<State>

  package init(_ state: State) {
    monitor = Monitor(state)
  }

  /// Runs `body` under the lock and wakes all who wait; it must not block.
  package func change<Result>(_ body: (inout State) -> Result) -> Result { monitor.change(body) }

  /// Asks `body` under the lock, again after each change, until it has an answer.
  package func wait<Result>(for body: (inout State) -> Result?) -> Result {
    monitor.wait(for: body)
  }
}
