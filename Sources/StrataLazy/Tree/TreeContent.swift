import StrataModel
import StrataSystem
import Synchronization

/// The content of a regular file as far as it is in the cache.
final class TreeContent: Sendable {
  private enum Place {
    /// A file of one chunk that is not there.
    case absent
    case partial(PartialPayload)
    case complete(CachedPayload)
  }

  let payload: Payload
  /// The numbers of its chunks in the layer.
  let chunks: Range<Int>
  private let place: Mutex<Place>
  private let cache: PayloadCache

  /// Looks for the content in the cache, which may read it whole: once after a boot.
  ///
  /// Errors of the cache.
  init(_ payload: Payload, chunks: Range<Int>, _ cache: PayloadCache) throws(StreamError) {
    self.payload = payload
    self.chunks = chunks
    self.cache = cache
    if let complete = try cache.open(payload) {
      place = Mutex(.complete(complete))
    } else if payload.chunks.count > 1 || payload.chunks.contains(where: \.isHole) {
      let partial = try cache.partial(payload)
      // Another layer, or the worker before this one, may have ended between last chunk and name.
      if partial.missingCount == 0 {
        place = Mutex(.complete(try partial.complete()))
      } else {
        place = Mutex(.partial(partial))
      }
    } else {
      place = Mutex(.absent)
    }
  }

  /// The file to read from where all of these chunks are there, else nil.
  func descriptor(for wanted: Range<Int>) -> SharedDescriptor? {
    switch place.withLock({ $0 }) {
    case .absent:
      // Another layer's reader may have brought it.
      guard cache.has(payload), let file = try? cache.open(payload) else { return nil }
      place.withLock { $0 = .complete(file) }
      return file.descriptor
    case .complete(let file): return file.descriptor
    case .partial(let partial):
      let isPresent = wanted.allSatisfy { partial.isPresent($0 - chunks.lowerBound) }
      return isPresent ? partial.descriptor : nil
    }
  }

  /// Whether a chunk, by its number in the layer, is there.
  func isPresent(_ number: Int) -> Bool { descriptor(for: number..<(number + 1)) != nil }

  /// Whether all of it is there.
  var isComplete: Bool {
    place.withLock { if case .complete = $0 { true } else { false } }
  }

  /// Keeps a chunk, by its number in the layer; `uncached` where the cache takes nothing more.
  ///
  /// `mismatch` where the whole is not what the TOC promises although its chunks are.
  func store(_ chunk: VerifiedChunk, _ number: Int) throws(StreamError) -> ChunkOutcome {
    do throws(StreamError) {
      switch place.withLock({ $0 }) {
      case .complete: return .stored
      case .absent:
        let file = try cache.store(chunk, as: payload)
        place.withLock { $0 = .complete(file) }
      case .partial(let partial):
        if try partial.write(chunk, as: number - chunks.lowerBound) {
          let file = try partial.complete()
          place.withLock { $0 = .complete(file) }
        }
      }
      return .stored
    } catch {
      if case .system = error.kind { return .uncached(chunk.bytes) }
      throw error
    }
  }
}
