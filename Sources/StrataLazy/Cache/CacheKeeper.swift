import StrataSystem
import Synchronization

/// Keeps the cache within its bounds, and brings it to the disk once a minute.
///
/// It looks once a second whether there is anything to do, which costs one lock; the work itself is
/// done on a thread that may block.
final class CacheKeeper: Sendable {
  private struct State {
    var counts = CacheCounts()
    /// What the cache held when it was last looked through, and how much had been written by then.
    var found: (bytes: Int64, written: Int64)?
    /// No look before as much was written: where all is in use, looking again helps nobody.
    var nextLook: Int64 = 0
    var isFull = false
    var isEnded = false
    var synchronized: UInt64 = monotonicNanoseconds()
    var aged: UInt64?
    /// When the disk was last found to be full, so that this is no reason to look each second.
    var emptied: UInt64 = 0
  }

  private let cache: PayloadCache
  private let options: LazyOptions
  private let threads: WorkThreads
  private let log: StoreLog
  private let state = Mutex(State())

  private static let second: UInt64 = 1_000_000_000

  init(_ cache: PayloadCache, _ options: LazyOptions, _ threads: WorkThreads, _ log: StoreLog) {
    self.cache = cache
    self.options = options
    self.threads = threads
    self.log = log
  }

  /// Begins; `ranks` says how dear contents are, and `evicted` is told when some are gone; both are
  /// called on threads that may block.
  func start(ranks: @escaping @Sendable () -> CacheRanks?, evicted: @escaping @Sendable () -> Void)
  {
    Task { [weak self] in
      while true {
        try? await Task.sleep(nanoseconds: Self.second)
        guard let self, !self.state.withLock({ $0.isEnded }) else { return }
        await self.tick(ranks, evicted)
      }
    }
  }

  /// A chunk was served that the disk had no room for.
  func noteFullDisk() {
    state.withLock {
      $0.counts.unkeptChunks += 1
      $0.isFull = true
    }
  }

  /// Whether what nobody waits for may be kept: nothing would have to go for it.
  var hasRoom: Bool {
    let now = monotonicNanoseconds()
    let isFull = state.withLock { state in
      state.isFull || (state.emptied > 0 && now - state.emptied < 10 * Self.second)
    }
    return !isFull && options.cacheSize.map { counts.heldBytes < $0 / 20 * 19 } ?? true
  }

  /// What the cache holds and what was done to it.
  var counts: CacheCounts {
    let written = cache.writtenBytes
    return state.withLock { state in
      var counts = state.counts
      counts.heldBytes = state.found.map { $0.bytes + written - $0.written } ?? written
      counts.limitBytes = options.cacheSize
      counts.bytesOverLimit = max(0, counts.heldBytes - (options.cacheSize ?? Int64.max))
      return counts
    }
  }

  /// Ends, with everything on the disk.
  func end() {
    state.withLock { $0.isEnded = true }
    synchronize()
  }

  private func synchronize() {
    do throws(Errno) { try cache.synchronize() } catch {
      log.write("bring the cache to the disk: \(error)", .warning)
    }
  }

  // MARK: - Looking

  private func tick(
    _ ranks: @escaping @Sendable () -> CacheRanks?, _ evicted: @escaping @Sendable () -> Void
  ) async {
    let now = monotonicNanoseconds()
    let isMinuteOver = state.withLock { state in
      guard now - state.synchronized >= 60 * Self.second else { return false }
      state.synchronized = now
      return true
    }
    if isMinuteOver { await threads.run { [self] in synchronize() } }
    let shortage = shortage(now)
    guard isDue(now, shortage) else { return }
    let removed = await threads.run { [self] in look(ranks, shortage) }
    if removed { evicted() }
  }

  /// How many bytes should be freed on the disk: where no size was set, a twentieth of it stays free.
  private func shortage(_ now: UInt64) -> Int64 {
    let wasFull = state.withLock { state in
      defer { state.isFull = false }
      return state.isFull
    }
    guard wasFull || options.cacheSize == nil else { return 0 }
    let directory = cache.directory
    guard let status = try? directory.view.fileSystemStatus(), status.blocks > 0 else { return 0 }
    let lacking = Int64(status.blocks / 20) - Int64(status.availableBlocks)
    guard lacking > 0 || wasFull else { return 0 }
    // Twice as much, so that the next chunk is no reason to look again.
    return (lacking + Int64(status.blocks / 20)) * Int64(status.fragmentSize)
  }

  private func isDue(_ now: UInt64, _ shortage: Int64) -> Bool {
    let written = cache.writtenBytes
    return state.withLock { state in
      if shortage > 0, now - state.emptied >= 10 * Self.second {
        state.emptied = now
        return true
      }
      if options.cacheAge != nil {
        guard let aged = state.aged, now - aged < 3600 * Self.second else {
          state.aged = now
          return true
        }
      }
      guard let size = options.cacheSize else { return false }
      guard let found = state.found else { return true }
      return found.bytes + written - found.written > size && written >= state.nextLook
    }
  }

  /// Looks through the cache and removes what is too much; whether anything was.
  private func look(_ ranks: @Sendable () -> CacheRanks?, _ shortage: Int64) -> Bool {
    guard let ranks = ranks() else { return false }
    let written = cache.writtenBytes
    do throws(StreamError) {
      var result = try cache.evict(
        limit: nil, free: shortage, age: options.cacheAge, rank: ranks.rank)
      if let size = options.cacheSize, result.remainingBytes > size {
        // To nine tenths, so that this is not done for every file.
        let more = try cache.evict(limit: size / 10 * 9, age: nil, rank: ranks.rank)
        result.removedFiles += more.removedFiles
        result.removedBytes += more.removedBytes
        result.remainingBytes = more.remainingBytes
      }
      state.withLock { state in
        state.found = (result.remainingBytes, written)
        state.nextLook = written + max(64 << 10, (options.cacheSize ?? 0) / 20)
        state.counts.evictedFiles += result.removedFiles
        state.counts.evictedBytes += result.removedBytes
      }
      if result.removedFiles > 0 {
        log.write(
          "cache: \(result.removedFiles) files of \(result.removedBytes) bytes let go, "
            + "\(result.remainingBytes) kept", .info)
      }
      return result.removedFiles > 0
    } catch {
      log.write("\(error)", .warning)
      return false
    }
  }
}

/// What the cache holds, in bytes on the disk, and what happened to it since the start.
package struct CacheCounts: Sendable, Equatable {
  /// As it was when it was last looked through, and what was written since.
  package var heldBytes: Int64 = 0
  /// Nil: bounded by what is free on the disk alone.
  package var limitBytes: Int64?
  /// What open files and indexes need beyond the limit.
  package var bytesOverLimit: Int64 = 0
  package var evictedFiles = 0
  package var evictedBytes: Int64 = 0
  /// Chunks that were served from memory since the disk was full.
  package var unkeptChunks = 0
}
