import StrataSystem
import Synchronization

/// Keeps the second of two cores from sleeping while one client asks one thing after the other.
///
/// Reader and client hand each request over and the answer back. If the other core sleeps, the scheduler
/// wakes one of the two there each time, which on a virtual machine takes tens of microseconds; if it does
/// not, both stay on one core and the hand-over is a change of threads (docs/adr/0032). So a thread of the
/// lowest priority occupies it, as long as requests come: whoever has real work gets the core at once.
final class WakefulCore: Sendable {
  /// How long it goes on after the last request, in nanoseconds.
  private let linger: UInt64
  private let wanted = Monitor(false)
  private let awake = Atomic<Bool>(false)
  private let lastRequest = Atomic<UInt64>(0)
  /// The core on which the requests are answered.
  private let answering = Atomic<Int32>(0)
  private let isStarted = Atomic<Bool>(false)

  init(linger: UInt64) { self.linger = linger }

  /// Where this is of use: more cores than two cannot be kept awake for one client.
  static var isWorthwhile: Bool { availableCores == 2 && onlineCores == 2 }

  var isAwake: Bool { awake.load(ordering: .relaxed) }

  /// A request came.
  func touch(_ now: UInt64) { lastRequest.store(now, ordering: .relaxed) }

  /// Brings the calling thread to its client's core, where it stays as long as the other one is occupied.
  ///
  /// From then on each of them finds only this core, by the scheduler's own rules.
  func join(_ client: UInt32) {
    let own = currentCore()
    let core = coreOfThread(client) ?? own
    answering.store(core, ordering: .relaxed)
    if core != own { moveToCore(core) }
  }

  /// Begins; called by the one thread that reads requests.
  func begin(_ now: UInt64, for client: UInt32) {
    if !isStarted.exchange(true, ordering: .relaxed) {
      let started: Void? = try? startDetachedThread { [self] in work() }
      guard started != nil else { return }
    }
    touch(now)
    join(client)
    awake.store(true, ordering: .relaxed)
    wanted.change { $0 = true }
  }

  /// Others need the core.
  func end() { awake.store(false, ordering: .relaxed) }

  private func work() {
    lowerThreadPriority()
    while true {
      wanted.wait { (wanted: inout Bool) -> Void? in
        guard wanted else { return nil }
        wanted = false
        return ()
      }
      var avoided: Int32 = -1
      while isAwake {
        let core = answering.load(ordering: .relaxed)
        if core != avoided {
          leaveCore(core)
          avoided = core
        }
        relaxCore(times: 50)
        let last = lastRequest.load(ordering: .relaxed)
        if monotonicNanoseconds() > last &+ linger { end() }
      }
    }
  }
}
