import StrataSystem
import Synchronization

/// The contents of a layer's files that are open, and what is known of the others' chunks.
final class TreeContents: Sendable {
  private struct State {
    var open: [UInt32: TreeContent] = [:]
    /// Opens that were not released, by entry.
    ///
    /// A new worker knows of none of the old one's.
    var users: [UInt32: Int] = [:]
    /// The entry of each chunk; `none` for one that no entry has (its name came again).
    var owners: [UInt32]?
    /// Chunks that were seen in the cache, a bit each.
    var seen: [UInt64] = []
    var seenCount = 0
  }

  static let none = UInt32.max
  private let state = Mutex(State())

  subscript(entry: UInt32) -> TreeContent? { state.withLock { $0.open[entry] } }

  /// Keeps a content while its file is open; returns the one that is kept.
  func keep(_ content: TreeContent, for entry: UInt32) -> TreeContent {
    state.withLock { state in
      if let known = state.open[entry] { return known }
      if state.open.count >= 64 {
        state.open = state.open.filter { state.users[$0.key, default: 0] > 0 }
      }
      state.open[entry] = content
      return content
    }
  }

  /// A file was opened.
  func opened(_ entry: UInt32) { state.withLock { $0.users[entry, default: 0] += 1 } }

  /// A file was closed; the last one lets the content go.
  func closed(_ entry: UInt32) {
    state.withLock { state in
      if let users = state.users[entry], users > 1 {
        state.users[entry] = users - 1
      } else {
        state.users[entry] = nil
        state.open[entry] = nil
      }
    }
  }

  /// The entry that has a chunk.
  func owner(of number: Int, _ index: LayerIndex) -> UInt32? {
    if let owners = state.withLock({ $0.owners }) {
      return owners[number] == Self.none ? nil : owners[number]
    }
    var owners = [UInt32](repeating: Self.none, count: index.chunkCount)
    for entry in 0..<UInt32(index.entryCount) {
      for number in index.chunks(of: entry) { owners[number] = entry }
    }
    state.withLock { $0.owners = owners }
    return owners[number] == Self.none ? nil : owners[number]
  }

  func markSeen(_ number: Int) {
    state.withLock { state in
      let (word, bit) = (number / 64, UInt64(1) << UInt64(number % 64))
      if word >= state.seen.count {
        state.seen += [UInt64](repeating: 0, count: word + 1 - state.seen.count)
      }
      guard state.seen[word] & bit == 0 else { return }
      state.seen[word] |= bit
      state.seenCount += 1
    }
  }

  func wasSeen(_ number: Int) -> Bool {
    state.withLock { state in
      number / 64 < state.seen.count
        && state.seen[number / 64] & UInt64(1) << UInt64(number % 64) != 0
    }
  }

  /// Some of the cache's content is gone: what was seen is to be looked for anew.
  func forgetSeen() {
    state.withLock {
      $0.seen = []
      $0.seenCount = 0
    }
  }

  /// How many chunks were seen in the cache.
  var seenCount: Int { state.withLock { $0.seenCount } }

  /// The files that somebody has open, or whose content is kept open for the next reader.
  var openEntries: Set<UInt32> { state.withLock { Set($0.open.keys).union($0.users.keys) } }
}

extension LayerTree {
  /// The content of a regular file; nil where the file is empty.
  ///
  /// May read the cached file once after a boot. `mismatch` where all chunks are there and do not make
  /// the whole that the TOC promises.
  func content(of entry: UInt32, _ index: LayerIndex) throws(StreamError) -> TreeContent? {
    if let known = contents[entry] { return known }
    guard let payload = index.payload(of: entry) else { return nil }
    let content = try TreeContent(payload, chunks: index.chunks(of: entry), context.cache)
    return contents.keep(content, for: entry)
  }

  /// Whether a chunk need not be fetched: it is in the cache, or no file has it.
  func isPresent(_ number: Int, _ index: LayerIndex) -> Bool {
    if contents.wasSeen(number) { return true }
    guard let entry = contents.owner(of: number, index) else { return true }
    let isPresent: Bool
    if let content = contents[entry] {
      isPresent = content.isPresent(number)
    } else if let payload = index.payload(of: entry) {
      if payload.chunks.count == 1 {
        isPresent = context.cache.has(payload)
      } else {
        let content = try? TreeContent(payload, chunks: index.chunks(of: entry), context.cache)
        isPresent = content?.isPresent(number) ?? false
      }
    } else {
      isPresent = true
    }
    if isPresent { contents.markSeen(number) }
    return isPresent
  }

  /// Keeps a verified chunk.
  ///
  /// `mismatch` where it completes a file that is not what the TOC promises.
  func store(
    _ chunk: VerifiedChunk, _ number: Int, _ index: LayerIndex
  ) throws(StreamError) -> ChunkOutcome {
    guard let entry = contents.owner(of: number, index), let payload = index.payload(of: entry)
    else { return .uncached(chunk.bytes) }
    let content: TreeContent
    if let known = contents[entry] {
      content = known
    } else {
      content = try TreeContent(payload, chunks: index.chunks(of: entry), context.cache)
    }
    let outcome = try content.store(chunk, number)
    switch outcome {
    case .stored: contents.markSeen(number)
    case .uncached: context.keeper.noteFullDisk()
    case .failed, .wrong: break
    }
    return outcome
  }
}

extension PayloadCache {
  /// Whether there is a file of that name; whether it is sound is asked when it is opened.
  func has(_ payload: Payload) -> Bool {
    let directory = directory
    return (try? directory.view.exists(Self.path(payload.key))) ?? false
  }

  /// About how many bytes of a content are here: all of it, or what its sparse file takes on the disk.
  func heldBytes(of payload: Payload) -> Int64 {
    if has(payload) { return payload.size }
    guard !payload.isInOnePiece else { return 0 }
    let directory = directory
    let path = PartialPayload.name(payload.key, payload.layout)
    guard let status = try? directory.view.status(of: path, follow: false) else { return 0 }
    return min(payload.size, Int64(clamping: status.blocks) * 512)
  }
}
