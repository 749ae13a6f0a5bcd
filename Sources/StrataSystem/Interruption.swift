import CStrata
import Synchronization

/// The end that a signal asks for, put off while something is half made.
///
/// SIGINT, SIGTERM and SIGHUP end the process at once, as by default, unless an `InterruptionHold` is
/// alive. Then they are remembered, long work looks at `check` and fails, whoever began something
/// undoes it as after any failure, and the program ends with the signal's status. Another signal, more
/// than a second later, ends the process at once; what was half made is then removed by the next who
/// loads the store.
package enum Interruption {
  /// While something is undone, a check would stop that.
  private static let undoing = Atomic<Int>(0)

  /// Begins to handle signals; before this, and in programs that never call it, nothing here does
  /// anything.
  ///
  /// A write beyond the limit of file sizes then fails with EFBIG and ends nothing, and one to a pipe
  /// that nobody reads ends the process only where nothing is half made.
  package static func install() {
    _ = cstrata_interrupt_install()
  }

  /// The signal that asked for the end, if one did.
  package static var pending: Int32? {
    let number = cstrata_interrupt_pending()
    return number == 0 ? nil : number
  }

  /// Throws EINTR if the end was asked for.
  package static func check() throws(Errno) {
    if pending != nil, undoing.load(ordering: .relaxed) == 0 { throw .interrupted }
  }

  /// As above for work on streams.
  package static func checkStream() throws(StreamError) {
    do throws(Errno) { try check() } catch { throw StreamError(error, "stopped by a signal") }
  }

  /// Waits until the file can be read, or fails as `check` does.
  static func waitReadable(_ file: FileDescriptor) throws(Errno) {
    if cstrata_interrupt_wait_readable(file.rawValue) != 0 { try check() }
  }

  /// Runs `body`, which undoes what it began if it fails, with signals put off.
  package static func puttingOff<Value, Failure: Error>(
    _ body: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    cstrata_interrupt_hold(1)
    defer { cstrata_interrupt_hold(-1) }
    return try body()
  }

  /// Runs what undoes something: it is not stopped half way.
  package static func undo(_ body: () -> Void) {
    undoing.add(1, ordering: .relaxed)
    body()
    undoing.subtract(1, ordering: .relaxed)
  }
}

/// While one of these is alive, a signal is put off.
package struct InterruptionHold: ~Copyable, Sendable {
  package init() { cstrata_interrupt_hold(1) }

  deinit { cstrata_interrupt_hold(-1) }
}

/// The name of a signal, as kill(1) spells it.
package func signalName(_ number: Int32) -> String {
  switch number {
  case SignalSet.interrupt: "SIGINT"
  case SignalSet.terminate: "SIGTERM"
  case SignalSet.hangUp: "SIGHUP"
  default: "signal \(number)"
  }
}
