import Glibc
import StrataSystem

/// Whether and how long the reader looks for the next request before it sleeps.
///
/// A client that asks one thing after the other is spared the wake-up of this thread, which takes
/// longer than most answers (overlay-design 13). Done only while it pays: after a few looks in vain the
/// reader sleeps at once, until requests come quickly one after the other again, and each phase that
/// was of no use makes it harder to begin the next. A mount that nobody uses costs nothing.
///
/// On two cores the reader never looks: the same signs let it keep the other core awake (`WakefulCore`).
struct IdleSpin: Sendable {
  /// On two cores what is done instead of looking.
  private let other: WakefulCore?
  /// Requests since the other core is awake, and how many of the last ones spoke for using both cores: they
  /// came from another thread than the one before, or carry much.
  private var answered = 0, changes = 0, large = 0
  private var client: UInt32 = 0
  /// How long one look takes at most, in nanoseconds; 0: never looks.
  private let limit: UInt64
  /// Looks in vain, one after the other.
  private var vain = 0
  /// Looks of this phase that found a request.
  private var hits = 0
  /// Requests that came soon, one after the other, while this was asleep.
  private var quick = 0
  /// How many of those begin a phase.
  private var needed = Self.leastNeeded

  private static let patience = 4
  private static let leastNeeded = 4
  private static let mostNeeded = 4096
  /// After so many hits it is asked again whether the cores are free.
  private static let longPhase = 256
  /// The other core is kept awake during an answer that takes no longer, in nanoseconds.
  private static let longestAnswer: UInt64 = 5_000_000
  /// After so many requests it is asked again where the client is, and whether it is one.
  private static let meeting = 32

  init(nanoseconds limit: UInt64) {
    self.limit = limit
    other = limit > 0 && WakefulCore.isWorthwhile ? WakefulCore(linger: 4 * limit) : nil
    if limit > 0, other == nil, !Self.coresAreFree { end() }
  }

  var isLooking: Bool { limit > 0 && other == nil && vain < Self.patience }

  /// Looks for a request again and again, giving the core to whoever wants it.
  mutating func look(_ device: FileDescriptor) {
    let end = monotonicNanoseconds() + limit
    repeat {
      if Self.hasRequest(device) {
        found()
        return
      }
      sched_yield()
    } while monotonicNanoseconds() < end
    missed()
  }

  /// Whether a request waits on the device.
  static func hasRequest(_ device: FileDescriptor) -> Bool {
    var poll = pollfd(fd: device.rawValue, events: Int16(POLLIN), revents: 0)
    return unsafe Glibc.poll(&poll, 1, 0) != 0
  }

  mutating func found() {
    vain = 0
    hits += 1
    if hits >= 4 * Self.patience { needed = Self.leastNeeded }
    if hits % Self.longPhase == 0, !Self.coresAreFree { end() }
  }

  mutating func missed() {
    vain += 1
    guard vain == Self.patience else { return }
    if hits < 4 * Self.patience { needed = min(needed * 2, Self.mostNeeded) }
    (hits, quick) = (0, 0)
  }

  /// Others need the core: for a while it is not looked at all.
  private mutating func end() {
    (vain, hits, quick) = (Self.patience, 0, 0)
    needed = Self.mostNeeded
  }

  /// Whether the last minute had fewer runnable threads than would fill the cores one and a half times:
  /// else a look takes the core from who would ask (measured: twice the time for `tar c`).
  ///
  /// C: `getloadavg`.
  private static var coresAreFree: Bool {
    var load = 0.0
    return unsafe getloadavg(&load, 1) < 1 || load < 1.5 * Double(availableCores)
  }

  /// A request came after this many nanoseconds of sleep, the wake-up included.
  mutating func slept(_ nanoseconds: UInt64, until now: UInt64, for request: RequestGlance) {
    if limit == 0 { return }
    if let other, answered > 0 { return kept(other, now, request) }
    quick = nanoseconds < 2 * limit && !(other != nil && request.isLarge) ? quick + 1 : 0
    guard quick >= needed else { return }
    if let other {
      (quick, answered) = (0, 1)
      other.begin(now, for: request.client)
    } else if Self.coresAreFree {
      vain = 0
    } else {
      end()
    }
  }

  /// The reader is about to sleep.
  func sleeps(_ now: UInt64) {
    if answered > 0 { other?.touch(now) }
  }

  /// A request came while the other core is kept awake, or the first after that.
  private mutating func kept(
    _ other: WakefulCore, _ now: UInt64, _ request: RequestGlance
  ) {
    guard other.isAwake else {
      needed = answered < 4 * Self.patience ? min(needed * 2, Self.mostNeeded) : Self.leastNeeded
      (answered, changes, large, quick) = (0, 0, 0, 0)
      return
    }
    // Until it is answered, but not for ever.
    other.touch(now + Self.longestAnswer)
    answered += 1
    let isAnother = request.client != 0 && request.client != client
    if isAnother {
      client = request.client
      changes += 1
    }
    if request.isLarge { large += 1 }
    guard answered % Self.meeting == 0 else { return }
    other.join(client)
    if changes > Self.meeting / 4 { needed = min(needed * 8, Self.mostNeeded) }
    if changes > Self.meeting / 4 || large > Self.meeting / 4 {
      other.end()
      (answered, quick) = (0, 0)
    }
    (changes, large) = (0, 0)
  }
}
