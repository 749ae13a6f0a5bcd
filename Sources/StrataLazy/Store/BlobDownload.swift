import StrataDigest
import StrataModel
import StrataSystem
import Synchronization

/// The bytes of a layer's blob as the registry has them, for the readers of one `blob` file: streamed
/// once, kept in a file without a name, and verified.
///
/// The last 64 KiB are given out only when the digest of the whole is known to be right; where it is
/// wrong every read of them is EIO, so that nobody takes a wrong blob for a whole one.
final class BlobDownload: Sendable {
  private struct State {
    /// How many bytes are in the file.
    var length: Int64 = 0
    var outcome: Result<Void, Errno>?
    var waiting: [(end: Int64, wake: @Sendable (Errno?) -> Void)] = []
  }

  private static let heldBack: Int64 = 64 << 10

  let blob: LayerBlob
  private let file: SharedDescriptor
  private let state = Mutex(State())

  /// Begins to download into a file without a name in `directory`.
  init(
    _ blob: LayerBlob, from source: any LayerSource, in directory: FileDescriptor,
    _ log: StoreLog
  ) throws(Errno) {
    self.blob = blob
    file = SharedDescriptor(
      try directory.open(".", [.readWrite, .temporaryFile], mode: 0o600))
    Task { [self] in await run(source, log) }
  }

  private func run(_ source: any LayerSource, _ log: StoreLog) async {
    let digester = Mutex(Digester(blob.digest.algorithm))
    let written = Mutex<Errno?>(nil)
    do throws(SourceError) {
      let mirror = try await source.stream(blob, from: 0, urgency: .reader) { [self] piece in
        digester.withLock { $0.update(piece.rawSpan) }
        do throws(Errno) {
          try file.view.writeAll(piece.rawSpan, at: state.withLock { $0.length })
        } catch {
          written.withLock { $0 = error }
          return false
        }
        advance(by: piece.count)
        return true
      }
      if let error = written.withLock({ $0 }) {
        log.write("\(blob.reference): blob \(blob.digest): keep it: \(error)", .error)
        return finish(.failure(.inputOutputError))
      }
      let found = digester.withLock { $0.digest() }
      guard found == blob.digest else {
        log.write(
          "\(blob.reference): blob \(blob.digest) from \(mirror) has the digest \(found)", .error)
        return finish(.failure(.inputOutputError))
      }
      finish(.success(()))
    } catch {
      log.write("\(blob.reference): blob \(blob.digest): \(error)", .error)
      finish(.failure(.inputOutputError))
    }
  }

  /// Calls `wake` when the bytes before `end` may be read, or with the error that keeps them away.
  func whenReadable(upTo end: Int64, _ wake: @escaping @Sendable (Errno?) -> Void) {
    let answer = state.withLock { state -> Errno?? in
      if let answer = Self.answer(state, min(end, blob.size), blob.size) { return answer }
      state.waiting.append((end, wake))
      return nil
    }
    if let answer { wake(answer) }
  }

  /// The file that holds the bytes.
  var content: SharedDescriptor { file }

  /// Whether it ended, well or not.
  var hasFailed: Bool {
    state.withLock { if case .failure = $0.outcome { true } else { false } }
  }

  private func advance(by count: Int) { change { $0.length += Int64(count) } }

  private func finish(_ outcome: Result<Void, Errno>) { change { $0.outcome = outcome } }

  private func change(_ body: (inout State) -> Void) {
    let woken = state.withLock { state in
      body(&state)
      var woken: [(Errno?, @Sendable (Errno?) -> Void)] = []
      var waiting = state.waiting
      waiting.removeAll { waiter in
        guard let answer = Self.answer(state, min(waiter.end, blob.size), blob.size) else {
          return false
        }
        woken.append((answer, waiter.wake))
        return true
      }
      state.waiting = waiting
      return woken
    }
    for (answer, wake) in woken { wake(answer) }
  }

  /// Nil: wait on; `.some(nil)`: read.
  private static func answer(_ state: State, _ end: Int64, _ size: Int64) -> Errno?? {
    switch state.outcome {
    case .success: .some(nil)
    case .failure(let error): end <= min(state.length, size - heldBack) ? .some(nil) : error
    case nil: end <= min(state.length, size - heldBack) ? .some(nil) : nil
    }
  }
}
