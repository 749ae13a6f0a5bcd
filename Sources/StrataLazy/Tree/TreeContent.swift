import StrataModel
import StrataSystem
import Synchronization

/// The content of a regular file as far as it is in the cache.
final class TreeContent: Sendable {
  private enum Place {
    /// Nothing is there, or the disk has no room for it.
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
  /// What the disk refuses is as good as absent. `mismatch` where all chunks are there and do not make
  /// the whole that the TOC promises.
  init(_ payload: Payload, chunks: Range<Int>, _ cache: PayloadCache) throws(StreamError) {
    self.payload = payload
    self.chunks = chunks
    self.cache = cache
    do throws(StreamError) {
      place = Mutex(try Self.find(payload, cache))
    } catch {
      guard case .system = error.kind else { throw error }
      place = Mutex(.absent)
    }
  }

  private static func find(_ payload: Payload, _ cache: PayloadCache) throws(StreamError) -> Place {
    if let complete = try cache.open(payload) { return .complete(complete) }
    if payload.isInOnePiece { return .absent }
    let partial = try cache.partial(payload)
    // Another layer, or the worker before this one, may have ended between last chunk and name.
    return partial.missingCount == 0 ? .complete(try partial.complete()) : .partial(partial)
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
      var now = place.withLock { $0 }
      if case .absent = now, !payload.isInOnePiece {
        // There was no room before; all who ask are given the same object.
        now = .partial(try cache.partial(payload))
        let begun = now
        place.withLock { if case .absent = $0 { $0 = begun } }
      }
      switch now {
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
