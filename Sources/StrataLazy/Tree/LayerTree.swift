import StrataArchive
import StrataModel
import StrataSystem
import Synchronization

/// A layer whose files are shown: its index, its content in the cache, and where the rest is fetched.
///
/// Known by its slot. Opened when it is first asked for; after a restart of the worker that may be any
/// request, since the kernel still knows its nodes.
final class LayerTree: Sendable {
  private enum Phase {
    case closed
    case opening(Task<Result<LayerIndex, Errno>, Never>)
    case open(LayerIndex)
    /// It did not work; asked again after the time.
    case failed(Errno, until: UInt64)
  }

  private struct State {
    var phase = Phase.closed
    /// Set for good when blob, TOC and diff ID turned out not to belong together.
    var isCondemned = false
  }

  let slot: UInt32
  let blob: LayerBlob
  let toc: Digest
  let context: TreeContext
  let status = TreeStatus()
  let contents = TreeContents()
  private let state = Mutex(State())
  /// How far ahead of readers to fetch.
  let window = Mutex(ReadWindow())

  init(slot: UInt32, blob: LayerBlob, toc: Digest, _ context: TreeContext) {
    self.slot = slot
    self.blob = blob
    self.toc = toc
    self.context = context
  }

  /// What the log calls it.
  var name: String { "\(blob.reference): layer \(blob.digest)" }

  // MARK: - Opening

  /// The index of an open layer, nil where it has to be opened first.
  ///
  /// EIO for a layer that was condemned.
  var index: LayerIndex? {
    get throws(Errno) {
      try state.withLock { state throws(Errno) in
        if state.isCondemned { throw .inputOutputError }
        if case .open(let index) = state.phase { return index }
        return nil
      }
    }
  }

  /// Opens the layer if nobody has; `claim` gives what the manifest says of it, and is asked only
  /// where the index is not on the disk.
  @discardableResult
  func open(
    _ claim: @escaping @Sendable () async throws(Errno) -> LayerClaim
  ) async throws(Errno) -> LayerIndex {
    let now = monotonicNanoseconds()
    let decision = state.withLock {
      state -> Result<Task<Result<LayerIndex, Errno>, Never>, Errno> in
      if state.isCondemned { return .failure(.inputOutputError) }
      switch state.phase {
      case .open(let index): return .success(Task { .success(index) })
      case .opening(let task): return .success(task)
      case .failed(let error, let end) where end > now: return .failure(error)
      case .closed, .failed:
        let task = Task { [self] in await load(claim) }
        state.phase = .opening(task)
        return .success(task)
      }
    }
    return try await decision.get().value.get()
  }

  private func load(
    _ claim: @Sendable () async throws(Errno) -> LayerClaim
  ) async -> Result<LayerIndex, Errno> {
    context.pace.readerBegan()
    defer { context.pace.readerEnded() }
    do throws(StreamError) {
      let index = try await context.indexes.index(self, claim)
      state.withLock { $0.phase = .open(index) }
      return .success(index)
    } catch {
      context.log.write("\(name): \(error)", .warning)
      status.failed(with: error.message)
      let errno: Errno =
        if case .system(let errno) = error.kind { errno } else { .inputOutputError }
      state.withLock {
        $0.phase = .failed(errno, until: monotonicNanoseconds() + context.options.failureTime)
      }
      return .failure(errno)
    }
  }

  /// How the layer is: a word for `status`.
  var word: String {
    state.withLock { state in
      if state.isCondemned { return "condemned" }
      return switch state.phase {
      case .closed: "known"
      case .opening: "opening"
      case .open: "open"
      case .failed: "failed"
      }
    }
  }

  /// The layer is not what it claimed to be: from now on every request is EIO.
  func condemn() { state.withLock { $0.isCondemned = true } }

  var isCondemned: Bool { state.withLock { $0.isCondemned } }
}

/// What all trees share.
struct TreeContext: Sendable {
  let indexes: IndexStore
  let cache: PayloadCache
  let keeper: CacheKeeper
  let gate: FetchGate
  let pace: FetchPace
  let recorder: AccessRecorder
  let threads: WorkThreads
  let options: LazyOptions
  let log: StoreLog
}

/// The trees that were asked for, by slot.
final class TreePool: Sendable {
  let context: TreeContext
  private let trees = Mutex<[UInt32: LayerTree]>([:])

  init(_ context: TreeContext) { self.context = context }

  subscript(slot: UInt32) -> LayerTree? { trees.withLock { $0[slot] } }

  /// The tree of a slot, made if it is new.
  func tree(_ slot: UInt32, blob: LayerBlob, toc: Digest) -> LayerTree {
    trees.withLock { trees in
      if let known = trees[slot] { return known }
      let tree = LayerTree(slot: slot, blob: blob, toc: toc, context)
      trees[slot] = tree
      return tree
    }
  }

  /// All trees, lowest slot first.
  var all: [LayerTree] { trees.withLock { $0.values.sorted { $0.slot < $1.slot } } }
}
