import StrataSystem

/// Runs work on the network for a thread that has nothing else to do, and gives its result.
///
/// For threads of our own alone: a task that waited so would take a thread away from those it waits for.
func waiting<Value: Sendable>(
  _ body: @escaping @Sendable () async throws -> Value
) throws -> Value {
  let answer = WaitingRoom<Result<Value, any Error>?>(nil)
  Task.detached {
    let result: Result<Value, any Error>
    do { result = .success(try await body()) } catch { result = .failure(error) }
    answer.change { $0 = result }
  }
  return try answer.wait { $0 }.get()
}
