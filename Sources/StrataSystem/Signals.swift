import Glibc

/// A set of signals that are waited for and no longer interrupt anything.
///
/// C: `sigset_t`.
package struct SignalSet: Sendable {
  fileprivate var set = sigset_t()

  package init(_ numbers: [Int32]) {
    unsafe sigemptyset(&set)
    for number in numbers { unsafe sigaddset(&set, number) }
  }

  /// Holds these signals back from this thread, and from those that it starts from now on.
  ///
  /// C: `pthread_sigmask`.
  package func block() {
    var set = set
    _ = unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
  }

  /// The next of these signals; block them first.
  ///
  /// C: `sigwait`.
  package func wait() -> Int32 {
    var set = set
    var number: Int32 = 0
    while unsafe sigwait(&set, &number) != 0 {}
    return number
  }
}

extension SignalSet {
  /// As `wait()`, for at most so many nanoseconds: nil where none came.
  ///
  /// C: `sigtimedwait`.
  package func wait(nanoseconds: UInt64) -> Int32? {
    var set = set
    var time = timespec(
      tv_sec: Int(nanoseconds / 1_000_000_000), tv_nsec: Int(nanoseconds % 1_000_000_000))
    let number = unsafe sigtimedwait(&set, nil, &time)
    return number > 0 ? number : nil
  }
}

/// A write to a pipe that nobody reads fails with EPIPE and ends nothing.
package func ignoreBrokenPipes() {
  _ = signal(SIGPIPE, SIG_IGN)
}

extension SignalSet {
  package static let terminate = SIGTERM
  package static let interrupt = SIGINT
  package static let hangUp = SIGHUP
  package static let user1 = SIGUSR1
  package static let kill = SIGKILL
  /// A child has ended.
  package static let child = SIGCHLD
}
