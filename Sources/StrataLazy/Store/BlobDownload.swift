import StrataDigest
import StrataModel
import StrataSystem
import Synchronization

/// One pass over a layer's blob as the registry has it, for those who read it from its first byte to its
/// last: in memory, a few MiB around the place where they are, and verified on the way.
///
/// The last 64 KiB are given out only when the digest of the whole is known to be right; where it is
/// wrong every read of them is EIO, so that nobody takes a wrong blob for a whole one. Nothing is
/// written: a full disk does not keep anybody from exporting a layer.
final class BlobDownload: Sendable {
  /// Takes the bytes, or why there are none.
  typealias Resume = @Sendable (Result<[UInt8], Errno>) -> Void

  private struct Waiter {
    var offset: Int64
    var end: Int64
    var resume: Resume
  }

  private struct State {
    /// Where the first piece begins, and what has come behind it, without gaps.
    var start: Int64 = 0
    var pieces: [[UInt8]] = []
    /// How many bytes have come.
    var length: Int64 = 0
    /// The highest place that a reader has asked for.
    var reader: Int64 = 0
    var outcome: Result<Void, Errno>?
    var waiting: [Waiter] = []
    /// The stream, while it waits for readers.
    var producer: CheckedContinuation<Void, Never>?
    var isClosed = false
    /// Until when wrong bytes are not asked for again.
    var wrongUntil: UInt64 = 0
  }

  private static let heldBack: Int64 = 64 << 10
  /// The kernel reads ahead, and not in order.
  private static let behind: Int64 = 4 << 20
  private static let ahead: Int64 = 8 << 20

  let blob: LayerBlob
  private let failureTime: UInt64
  private let state = Mutex(State())

  /// Begins to read the blob; `failureTime` is for how many nanoseconds a wrong one is remembered.
  init(
    _ blob: LayerBlob, from source: any LayerSource, failureTime: UInt64, _ log: StoreLog
  ) {
    self.blob = blob
    self.failureTime = failureTime
    Task { [self] in await run(source, log) }
  }

  private func run(_ source: any LayerSource, _ log: StoreLog) async {
    let digester = Mutex(Digester(blob.digest.algorithm))
    do throws(SourceError) {
      let mirror = try await source.stream(blob, from: 0, urgency: .reader, distrusted: []) {
        [self] piece in
        digester.withLock { $0.update(piece.rawSpan) }
        return await take(piece)
      }
      if state.withLock({ $0.isClosed }) { return }
      let found = digester.withLock { $0.digest() }
      if found == blob.digest { return finish(.success(())) }
      state.withLock { $0.wrongUntil = monotonicNanoseconds() + failureTime }
      log.write(
        "\(blob.reference): blob \(blob.digest): wrong bytes from \(mirror): the digest is \(found)",
        .error)
    } catch {
      log.write("\(blob.reference): blob \(blob.digest): \(error)", .error)
    }
    finish(.failure(.inputOutputError))
  }

  // MARK: - Readers

  /// Whether bytes from `offset` on can still be had, or are known not to be.
  func holds(_ offset: Int64) -> Bool {
    let now = monotonicNanoseconds()
    return state.withLock { state in
      guard offset >= state.start else { return false }
      if case .failure = state.outcome { return state.wrongUntil > now || offset < state.length }
      return true
    }
  }

  /// Calls `resume` with up to `count` bytes, fewer only at the blob's end, or with EIO; ESTALE where
  /// they have gone by.
  func read(_ count: Int, at offset: Int64, _ resume: @escaping Resume) {
    let end = min(offset + Int64(count), blob.size)
    guard offset < end else { return resume(.success([])) }
    let (answer, producer) = state.withLock { state in
      state.reader = max(state.reader, offset)
      let answer = Self.answer(state, offset, end, blob.size)
      if answer == nil {
        state.waiting.append(Waiter(offset: offset, end: end, resume: resume))
      }
      return (answer, Self.producer(&state))
    }
    producer?.resume()
    if let answer { resume(answer) }
  }

  /// Nobody reads any more.
  func close() {
    let producer = state.withLock { state in
      state.isClosed = true
      return Self.producer(&state)
    }
    producer?.resume()
    finish(.failure(.inputOutputError))
  }

  // MARK: - The stream

  /// Keeps a piece and waits until readers have come near; false if there are none any more.
  private func take(_ piece: [UInt8]) async -> Bool {
    change { state in
      state.pieces.append(piece)
      state.length += Int64(piece.count)
    }
    await withCheckedContinuation { continuation in
      let waits = state.withLock { state in
        guard !state.isClosed, !Self.isNear(state) else { return false }
        state.producer = continuation
        return true
      }
      if !waits { continuation.resume() }
    }
    return !state.withLock { $0.isClosed }
  }

  private static func isNear(_ state: State) -> Bool {
    state.length - state.reader <= ahead || !state.waiting.isEmpty
  }

  private static func producer(_ state: inout State) -> CheckedContinuation<Void, Never>? {
    guard state.isClosed || isNear(state) else { return nil }
    defer { state.producer = nil }
    return state.producer
  }

  private func finish(_ outcome: Result<Void, Errno>) {
    change { if $0.outcome == nil { $0.outcome = outcome } }
  }

  private func change(_ body: (inout State) -> Void) {
    let woken = state.withLock { state in
      body(&state)
      var woken: [(Resume, Result<[UInt8], Errno>)] = []
      var waiting: [Waiter] = []
      for waiter in state.waiting {
        if let answer = Self.answer(state, waiter.offset, waiter.end, blob.size) {
          woken.append((waiter.resume, answer))
        } else {
          waiting.append(waiter)
        }
      }
      state.waiting = waiting
      let lowest = min(state.reader, state.waiting.map(\.offset).min() ?? Int64.max)
      while let first = state.pieces.first,
        state.start + Int64(first.count) < lowest - Self.behind
      {
        state.start += Int64(first.count)
        state.pieces.removeFirst()
      }
      return woken
    }
    for (resume, answer) in woken { resume(answer) }
  }

  /// Nil: wait on.
  private static func answer(
    _ state: State, _ offset: Int64, _ end: Int64, _ size: Int64
  ) -> Result<[UInt8], Errno>? {
    if offset < state.start { return .failure(.staleHandle) }
    let isVerified = if case .success = state.outcome { true } else { false }
    if end <= state.length, isVerified || end <= size - heldBack {
      return .success(bytes(state, offset, end))
    }
    if isVerified { return .failure(.inputOutputError) }
    if case .failure(let error) = state.outcome { return .failure(error) }
    return nil
  }

  private static func bytes(_ state: State, _ offset: Int64, _ end: Int64) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(Int(end - offset))
    var place = state.start
    for piece in state.pieces {
      let next = place + Int64(piece.count)
      let (from, to) = (max(offset, place), min(end, next))
      if from < to { result += piece[Int(from - place)..<Int(to - place)] }
      if next >= end { break }
      place = next
    }
    return result
  }
}

/// The passes over blobs that somebody has open.
///
/// Readers of one blob share a pass while they are near each other; one that begins later, or goes back,
/// begins a new one from the first byte.
final class BlobDownloads: Sendable {
  private struct Entry {
    var users: Int
    var downloads: [BlobDownload] = []
  }

  private let source: any LayerSource
  private let failureTime: UInt64
  private let log: StoreLog
  private let entries = Mutex<[Digest: Entry]>([:])
  /// Passes over one blob at a time: beyond, the oldest goes.
  private static let limit = 4

  init(_ source: any LayerSource, failureTime: UInt64, _ log: StoreLog) {
    self.source = source
    self.failureTime = failureTime
    self.log = log
  }

  /// One reader more.
  func open(_ digest: Digest) {
    entries.withLock { $0[digest, default: Entry(users: 0)].users += 1 }
  }

  /// One reader less; with the last one all is let go.
  func close(_ digest: Digest) {
    let gone = entries.withLock { entries -> [BlobDownload] in
      guard let entry = entries[digest] else { return [] }
      if entry.users > 1 {
        entries[digest]?.users = entry.users - 1
        return []
      }
      entries[digest] = nil
      return entry.downloads
    }
    for download in gone { download.close() }
  }

  /// See `BlobDownload.read`; opens of a worker before this one are not known and served all the same.
  func read(
    _ blob: LayerBlob, _ count: Int, at offset: Int64, _ resume: @escaping BlobDownload.Resume
  ) {
    let (download, gone) = entries.withLock { entries -> (BlobDownload, BlobDownload?) in
      let known = entries[blob.digest] ?? Entry(users: 1)
      entries[blob.digest] = known
      if let found = known.downloads.last(where: { $0.holds(offset) }) { return (found, nil) }
      let made = BlobDownload(blob, from: source, failureTime: failureTime, log)
      entries[blob.digest]?.downloads.append(made)
      let isFull = known.downloads.count >= Self.limit
      return (made, isFull ? entries[blob.digest]?.downloads.removeFirst() : nil)
    }
    gone?.close()
    download.read(count, at: offset) { [self] result in
      // They went by between the question and the reading.
      if case .failure(.staleHandle) = result { return read(blob, count, at: offset, resume) }
      resume(result)
    }
  }
}
