import CStrata
import Glibc

/// A thread of the operating system that is joined exactly once: by `join`, or where this value ends.
///
/// Swift's own tasks are no place for work that blocks in system calls for seconds; this is.
package struct JoinableThread: ~Copyable {
  private let handle: pthread_t

  /// Starts `body` on a new thread; EAGAIN where the kernel gives no more threads.
  ///
  /// C: `pthread_create`.
  package init(_ body: @escaping @Sendable () -> Void) throws(Errno) {
    handle = try startPosixThread(body)
  }

  deinit { pthread_join(handle, nil) }

  /// Waits for the thread's end.
  package consuming func join() {}
}

/// Runs `body` on a thread that nobody waits for and that ends with the process at the latest.
///
/// EAGAIN where the kernel gives no more threads. C: `pthread_create`, `pthread_detach`.
package func startDetachedThread(_ body: @escaping @Sendable () -> Void) throws(Errno) {
  pthread_detach(try startPosixThread(body))
}

private func startPosixThread(_ body: @escaping @Sendable () -> Void) throws(Errno) -> pthread_t {
  let box = unsafe Unmanaged.passRetained(ThreadBody(body))
  var thread = pthread_t()
  let result = unsafe pthread_create(&thread, nil, runThreadBody, box.toOpaque())
  if result != 0 {
    unsafe box.release()
    throw Errno(rawValue: result)
  }
  return thread
}

private final class ThreadBody: Sendable {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

private func runThreadBody(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  if let argument = unsafe argument {
    unsafe Unmanaged<ThreadBody>.fromOpaque(argument).takeRetainedValue().body()
  }
  return nil
}

/// How many cores this process may run on; 1 if that is not to be known.
///
/// C: `sched_getaffinity`.
package var availableCores: Int { max(1, Int(cstrata_available_cores())) }

/// State behind a lock that threads can also wait on for a change.
///
/// The state is reached under the lock alone. What is in it may be of any type: that a value put in
/// is used nowhere else meanwhile is for the caller to see to, so keep uses small.
@safe
package final class Monitor<State>: @unchecked Sendable {
  private var state: State
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let changed: UnsafeMutablePointer<pthread_cond_t>

  package init(_ state: State) {
    self.state = state
    unsafe mutex = .allocate(capacity: 1)
    unsafe changed = .allocate(capacity: 1)
    unsafe pthread_mutex_init(mutex, nil)
    unsafe pthread_cond_init(changed, nil)
  }

  deinit {
    unsafe pthread_cond_destroy(changed)
    unsafe pthread_mutex_destroy(mutex)
    unsafe changed.deallocate()
    unsafe mutex.deallocate()
  }

  /// Runs `body` under the lock and wakes all who wait.
  package func change<Result>(_ body: (inout State) -> Result) -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer {
      unsafe pthread_cond_broadcast(changed)
      unsafe pthread_mutex_unlock(mutex)
    }
    return body(&state)
  }

  /// Asks `body` under the lock, again after each change, until it has an answer.
  package func wait<Result>(for body: (inout State) -> Result?) -> Result {
    unsafe pthread_mutex_lock(mutex)
    defer {
      unsafe pthread_cond_broadcast(changed)
      unsafe pthread_mutex_unlock(mutex)
    }
    while true {
      if let result = body(&state) { return result }
      unsafe pthread_cond_wait(changed, mutex)
    }
  }
}

/// Carries a value to the one thread that will use it from now on.
struct Transferred<Value>: @unchecked Sendable {
  let value: Value

  init(_ value: Value) { self.value = value }
}
