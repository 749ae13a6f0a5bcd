// The client of the trees of additional layer stores. Every call is made by a worker process, so that a
// store that hangs costs a bounded wait, and a store that has once failed to answer is not asked again.

package import StrataModel
import StrataPersistence
package import StrataSystem
import Synchronization

/// Calls on additional layer stores, each of which ends in bounded time.
///
/// From any thread: each call has a worker of its own while it lasts.
package final class AdditionalLayerCalls: Sendable {
  private struct State {
    var idle: [CallWorker] = []
    /// Stores that gave no answer, and how that is put.
    var silent: [RawPath: Errno] = [:]
    /// Stores that somebody was told of.
    var told: Set<RawPath> = []
  }

  private let state = Mutex(State())
  private let milliseconds: Int32
  private let warn: @Sendable (String) -> Void

  /// Waits so many seconds for each answer; `warn` is given one line at most for a store.
  package init(timeout seconds: Int = 5, warn: @escaping @Sendable (String) -> Void = { _ in }) {
    milliseconds = Int32(clamping: max(1, seconds) * 1000)
    self.warn = warn
  }

  /// The next bytes of a blob may have to come from far away.
  fileprivate var millisecondsForPiece: Int32 { Int32(clamping: Int64(milliseconds) * 12) }

  // MARK: - The tree of a layer

  /// The status of a name in a layer's directory.
  package func status(of name: RawPath, in place: AdditionalLayerPlace) throws(StoreError)
    -> CallWorker.Status
  {
    let path = place.path.appending(name)
    return try naming("stat", path, place.store) { worker throws(CallWorker.Failure) in
      try worker.status(of: path, within: milliseconds)
    }
  }

  /// Opens the directory of a layer's content.
  package func openDiff(of place: AdditionalLayerPlace) throws(StoreError) -> FileDescriptorOwner {
    try naming("open", place.diff, place.store) { worker throws(CallWorker.Failure) in
      try worker.openDirectory(place.diff, within: milliseconds)
    }
  }

  /// What the store says of a layer: JSON, an object with members of a layer's record.
  package func info(of place: AdditionalLayerPlace) throws(StoreError) -> [UInt8] {
    let source = try open("info", of: place)
    do throws(StreamError) {
      return try source.readToEnd(limit: 1 << 20)
    } catch {
      throw StoreError(error)
    }
  }

  /// The layer's blob as the registry has it, from its start.
  package func blob(of place: AdditionalLayerPlace) throws(StoreError) -> any ByteSource {
    try open("blob", of: place)
  }

  private func open(_ name: RawPath, of place: AdditionalLayerPlace) throws(StoreError)
    -> AdditionalLayerFile
  {
    let path = place.path.appending(name)
    return try naming("open", path, place.store, keepsWorker: true) {
      worker throws(CallWorker.Failure) in
      try worker.beginReading(path)
      let file = AdditionalLayerFile(path, place.store, worker, self)
      // The store may refuse to open it: that is told here.
      try file.fill(within: milliseconds)
      return file
    }
  }

  // MARK: - References

  /// Takes a reference: the store is asked to keep the layer.
  ///
  /// The answer of one that counts is that there is no such file. A plain directory, which keeps its
  /// layers anyway, makes the file or refuses to.
  package func take(_ place: AdditionalLayerPlace) throws(StoreError) {
    let path = place.path.appending("use")
    do throws(StoreError) {
      try naming("open", path, place.store) { worker throws(CallWorker.Failure) in
        try worker.create(path, within: milliseconds)
      }
    } catch {
      guard isSilent(place.store) == nil, let errno = error.errno else { throw error }
      if ![.noSuchFileOrDirectory, .readOnlyFileSystem, .permissionDenied, .operationNotPermitted]
        .contains(errno)
      {
        tell(place.store, "\(error); it keeps no count of who uses its layers")
      }
    }
  }

  /// Gives a reference back; a store that does not take it is told of and changes nothing.
  ///
  /// One that has failed to answer before is not asked: that failure was somebody's error.
  package func release(_ place: AdditionalLayerPlace) {
    if isSilent(place.store) != nil { return }
    do throws(StoreError) {
      try naming("rmdir", place.path, place.store) { worker throws(CallWorker.Failure) in
        try worker.removeDirectory(place.path, within: milliseconds)
      }
    } catch {
      let ordinary: [Errno] = [
        .noSuchFileOrDirectory, .directoryNotEmpty, .readOnlyFileSystem, .permissionDenied,
        .operationNotPermitted,
      ]
      if let errno = error.errno, ordinary.contains(errno) { return }
      tell(place.store, "\(error); it may go on keeping what is no longer used")
    }
  }

  /// What is wrong with a store, or nil if it answers.
  package func problem(of store: AdditionalLayerStore) -> StoreError? {
    do throws(StoreError) {
      _ = try naming("stat", store.path, store.path) { worker throws(CallWorker.Failure) in
        // Through a link as well.
        let root = try worker.openDirectory(store.path, within: milliseconds)
        _ = consume root
      }
      return nil
    } catch {
      return error.errno == .notADirectory
        ? StoreError(
          .usage,
          "overlay: additionallayerstore path \(quoted(store.path.description)) must be a directory"
        )
        : error.wrapped("overlay: can't stat additionallayerstore dir")
    }
  }

  /// Warns of a store, once.
  package func tell(_ store: RawPath, _ text: String) {
    let isNew = state.withLock { $0.told.insert(store).inserted }
    if isNew { warn("additional layer store \(store): \(text)") }
  }

  /// Why a store is not asked any more, or nil.
  package func isSilent(_ store: RawPath) -> Errno? { state.withLock { $0.silent[store] } }

  // MARK: - Workers

  /// Lets a worker make a call and words its error as the Go tools do.
  private func naming<Result: ~Copyable>(
    _ verb: String, _ path: RawPath, _ store: RawPath, keepsWorker: Bool = false,
    _ body: (CallWorker) throws(CallWorker.Failure) -> Result
  ) throws(StoreError) -> Result {
    if let errno = isSilent(store) { throw failure(errno, verb, path, milliseconds) }
    let worker: CallWorker
    do throws(Errno) {
      if let idle = state.withLock({ $0.idle.popLast() }) {
        worker = idle
      } else {
        worker = try CallWorker()
      }
    } catch {
      throw StoreError(error, "starting a process that asks for \(path)")
    }
    do throws(CallWorker.Failure) {
      let result = try body(worker)
      if !keepsWorker { giveBack(worker) }
      return result
    } catch {
      throw failed(error, worker, verb, path, store)
    }
  }

  /// Takes note of a failure, and gives it words.
  fileprivate func failed(
    _ failure: CallWorker.Failure, _ worker: CallWorker, _ verb: String, _ path: RawPath,
    _ store: RawPath, waited: Int32? = nil
  ) -> StoreError {
    switch failure {
    case .refused(let errno):
      giveBack(worker)
      if errno == .notConnected || errno == .connectionAborted {
        state.withLock { $0.silent[store] = errno }
      }
      return StoreError(errno, "\(verb) \(path)")
    case .lost(let errno):
      if errno == .timedOut { state.withLock { $0.silent[store] = errno } }
      return self.failure(errno, verb, path, waited ?? milliseconds)
    }
  }

  private func failure(_ errno: Errno, _ verb: String, _ path: RawPath, _ milliseconds: Int32)
    -> StoreError
  {
    if errno != .timedOut { return StoreError(errno, "\(verb) \(path)") }
    return StoreError(
      .system(errno.rawValue), "\(verb) \(path): no answer for \(milliseconds / 1000) seconds")
  }

  fileprivate func giveBack(_ worker: CallWorker) { state.withLock { $0.idle.append(worker) } }
}

/// A file of an additional layer store while it is read.
///
/// Not thread-safe.
private final class AdditionalLayerFile: ByteSource {
  private let path: RawPath
  private let store: RawPath
  private let worker: CallWorker
  private let calls: AdditionalLayerCalls
  private let buffer = ByteBuffer(capacity: CallWorker.pieceSize)
  private var position = 0
  private var isAtEnd = false

  init(_ path: RawPath, _ store: RawPath, _ worker: CallWorker, _ calls: AdditionalLayerCalls) {
    self.path = path
    self.store = store
    self.worker = worker
    self.calls = calls
  }

  /// Waits for the next piece.
  func fill(within milliseconds: Int32) throws(CallWorker.Failure) {
    buffer.clear()
    position = 0
    if try worker.nextPiece(into: buffer, within: milliseconds) == 0 {
      isAtEnd = true
      calls.giveBack(worker)
    }
  }

  func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    try Interruption.checkStream()
    if position == buffer.count, !isAtEnd {
      do throws(CallWorker.Failure) {
        try fill(within: calls.millisecondsForPiece)
      } catch {
        isAtEnd = true
        let failure = calls.failed(
          error, worker, "read", path, store, waited: calls.millisecondsForPiece)
        throw StreamError(
          failure.errno.map { .system($0) } ?? .unexpectedEnd, failure.message)
      }
    }
    let count = buffer.copyBytes(from: position, into: &span)
    position += count
    return count
  }
}
