import StrataModel
import StrataSystem
import Synchronization

/// A chunk of a layer's tree: its slot and the chunk's number in the index.
struct ChunkKey: Hashable, Sendable {
  var slot: UInt32
  var number: Int
}

/// How a wish for a chunk ended.
enum ChunkOutcome: Sendable {
  /// In the cache's file.
  case stored
  /// Verified, and the cache has no room for it.
  case uncached([UInt8])
  case failed(Errno)
  /// No mirror has the bytes that the TOC promises.
  case wrong
}

/// The one bridge from FUSE threads to the network: whoever misses a chunk leaves a continuation and
/// goes; whoever fetched the chunk calls them all.
///
/// One request a chunk however many want it, joined with its missing neighbours; readers before
/// prefetch before background. Nothing here blocks.
final class FetchGate: Sendable {
  typealias Continuation = @Sendable (ChunkOutcome) -> Void

  private struct Waiter {
    var deadline: UInt64
    var resume: Continuation
  }

  private struct State {
    /// Who waits for the chunks that are queued or under way.
    var waiters: [ChunkKey: [Waiter]] = [:]
    /// The queued job of a chunk, to be hurried when a reader comes.
    var queued: [ChunkKey: FetchJob] = [:]
    var queues: [[FetchJob]] = FetchUrgency.allCases.map { _ in [] }
    var running = 0
    /// Of those, how many are nobody's hurry.
    var runningUnhurried = 0
    /// How the last wish for a chunk failed, and until when that is not tried again.
    var refusals: [ChunkKey: (outcome: ChunkOutcome, end: UInt64)] = [:]
    /// The last chunks that the disk had no room for, oldest first.
    var unkept: [(key: ChunkKey, bytes: [UInt8])] = []
    var isWatching = false

    mutating func refuse(_ key: ChunkKey, _ outcome: ChunkOutcome, for time: UInt64) {
      refusals[key] = (outcome, monotonicNanoseconds() + time)
    }

    /// A reader of 4 KiB at a time must not fetch a chunk of 4 MiB for each of them.
    mutating func remember(_ key: ChunkKey, _ bytes: [UInt8]) {
      unkept.append((key, bytes))
      var total = unkept.reduce(0) { $0 + $1.bytes.count }
      while total > FetchGate.unkeptBytes, unkept.count > 1 {
        total -= unkept.removeFirst().bytes.count
      }
    }
  }

  /// How many bytes are kept in memory while the disk is full.
  private static let unkeptBytes = 16 << 20
  /// The kernel asks once more, at once, for a page that reading ahead has failed for: a reader is to wait
  /// for one time limit and not for two.
  private static let shortTime: UInt64 = 500_000_000
  private let state = Mutex(State())
  private let fetcher: ChunkFetcher
  private let pace: FetchPace
  private let options: LazyOptions

  init(_ fetcher: ChunkFetcher, _ pace: FetchPace, _ options: LazyOptions) {
    self.fetcher = fetcher
    self.pace = pace
    self.options = options
  }

  /// Asks for a chunk; `resume` is called once, now or on another thread.
  func want(
    _ number: Int, of tree: LayerTree, _ index: LayerIndex, _ urgency: FetchUrgency,
    _ resume: @escaping Continuation
  ) {
    let key = ChunkKey(slot: tree.slot, number: number)
    let now = monotonicNanoseconds()
    let waiter = Waiter(deadline: now + options.readTimeout, resume: resume)
    if let outcome = join(key, waiter, urgency, now) {
      if let outcome { resume(outcome) }
      return
    }
    // Looking for neighbours may ask the file system: not under the lock.
    let run = fetcher.run(around: number, of: tree, index, urgency)
    let joined = state.withLock { state -> Bool in
      if state.waiters[key] != nil {
        state.waiters[key]?.append(waiter)
        return true
      }
      // A run ends where somebody else's begins.
      let numbers = run.prefix { $0 == number || state.waiters[key.at($0)] == nil }
      let job = FetchJob(
        tree: tree, index: index, numbers: Array(numbers), urgency: urgency,
        deadline: waiter.deadline)
      for other in numbers {
        state.waiters[key.at(other)] = other == number ? [waiter] : []
        state.queued[key.at(other)] = job
      }
      state.queues[urgency.rawValue].append(job)
      return false
    }
    if !joined { start() }
    watch()
  }

  /// Joins a request that exists; nil: there is none, `.some(nil)`: joined, else the answer.
  private func join(
    _ key: ChunkKey, _ waiter: Waiter, _ urgency: FetchUrgency, _ now: UInt64
  ) -> ChunkOutcome?? {
    state.withLock { state in
      if let refusal = state.refusals[key] {
        if refusal.end > now { return .some(refusal.outcome) }
        state.refusals[key] = nil
      }
      if let found = state.unkept.last(where: { $0.key == key }) {
        return .some(.uncached(found.bytes))
      }
      guard state.waiters[key] != nil else { return nil }
      state.waiters[key]?.append(waiter)
      if let job = state.queued[key], urgency < job.urgency {
        state.queues[job.urgency.rawValue].removeAll { $0 === job }
        let hurried = FetchJob(
          tree: job.tree, index: job.index, numbers: job.numbers, urgency: urgency,
          deadline: waiter.deadline)
        for number in job.numbers { state.queued[key.at(number)] = hurried }
        state.queues[urgency.rawValue].append(hurried)
      }
      return .some(nil)
    }
  }

  /// Starts what may be started: one connection is always free of what nobody waits for.
  private func start() {
    while let job = state.withLock({ state -> FetchJob? in
      guard state.running < options.concurrency else { return nil }
      for urgency in FetchUrgency.allCases where !state.queues[urgency.rawValue].isEmpty {
        let isUnhurried = urgency != .reader
        // One connection for readers, and one that a layer's completion may have.
        if isUnhurried, state.runningUnhurried >= max(1, options.concurrency - 2) { return nil }
        let job = state.queues[urgency.rawValue].removeFirst()
        for number in job.numbers {
          state.queued[ChunkKey(slot: job.tree.slot, number: number)] = nil
        }
        state.running += 1
        if isUnhurried { state.runningUnhurried += 1 }
        return job
      }
      return nil
    }) {
      Task { [self] in
        if job.urgency == .reader { pace.readerBegan() }
        await fetcher.run(job) { [self] number, outcome in finish(job, number, outcome) }
        if job.urgency == .reader { pace.readerEnded() }
        state.withLock { state in
          state.running -= 1
          if job.urgency != .reader { state.runningUnhurried -= 1 }
        }
        start()
      }
    }
  }

  private func finish(_ job: FetchJob, _ number: Int, _ outcome: ChunkOutcome) {
    let key = ChunkKey(slot: job.tree.slot, number: number)
    let waiters = state.withLock { state -> [Waiter] in
      switch outcome {
      case .wrong: state.refuse(key, outcome, for: options.failureTime)
      case .failed: state.refuse(key, outcome, for: Self.shortTime)
      case .uncached(let bytes): state.remember(key, bytes)
      case .stored: break
      }
      return state.waiters.removeValue(forKey: key) ?? []
    }
    for waiter in waiters { waiter.resume(outcome) }
  }

  /// Gives EIO to those whose time is over, once a second while anybody waits.
  ///
  /// A request that was joined may have a later deadline than its joiner, and a source may be late.
  private func watch() {
    let starts = state.withLock { state in
      defer { state.isWatching = true }
      return !state.isWatching
    }
    guard starts else { return }
    Task { [self] in
      while true {
        try? await Task.sleep(nanoseconds: 1_000_000_000)
        let now = monotonicNanoseconds()
        let (late, goesOn) = state.withLock { state -> ([Waiter], Bool) in
          var late: [Waiter] = []
          for (key, waiters) in state.waiters {
            let over = waiters.filter { $0.deadline < now }
            if over.isEmpty { continue }
            late += over
            state.refuse(key, .failed(.inputOutputError), for: Self.shortTime)
            state.waiters[key] = waiters.filter { $0.deadline >= now }
          }
          let goesOn = !state.waiters.isEmpty
          state.isWatching = goesOn
          return (late, goesOn)
        }
        for waiter in late { waiter.resume(.failed(.inputOutputError)) }
        if !goesOn { return }
      }
    }
  }

  /// Whether somebody has asked for a chunk, and it has not come yet.
  func isUnderWay(_ number: Int, of tree: LayerTree) -> Bool {
    let key = ChunkKey(slot: tree.slot, number: number)
    return state.withLock { $0.waiters[key] != nil }
  }

  /// Requests under way and queued, for `status`.
  var load: (running: Int, queued: Int) {
    state.withLock { ($0.running, $0.queues.reduce(0) { $0 + $1.count }) }
  }
}

extension ChunkKey {
  fileprivate func at(_ other: Int) -> ChunkKey { ChunkKey(slot: slot, number: other) }
}

/// A request for neighbouring chunks.
final class FetchJob: Sendable {
  let tree: LayerTree
  let index: LayerIndex
  /// In the order of the blob.
  let numbers: [Int]
  let urgency: FetchUrgency
  let deadline: UInt64

  init(
    tree: LayerTree, index: LayerIndex, numbers: [Int], urgency: FetchUrgency, deadline: UInt64
  ) {
    self.tree = tree
    self.index = index
    self.numbers = numbers
    self.urgency = urgency
    self.deadline = deadline
  }
}
