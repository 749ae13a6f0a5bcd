import StrataModel
package import StrataSystem
import Synchronization

/// Content of which some chunks are there: a sparse file, and beside it a map of marks.
///
/// The map has a header of 64 bytes (magic, version, number of chunks, boot, layout) and 4 bytes for each
/// chunk: the first of its digest when it is there, so that a flipped byte means "not there". A chunk's
/// mark is written after its bytes. A map that is torn or of another layout is begun anew; of one from
/// another boot every chunk is hashed once. Any thread may call.
package final class PartialPayload: Sendable {
  package let payload: Payload
  private let cache: PayloadCache
  private let name: RawPath
  private let file: SharedDescriptor
  private let map: SharedDescriptor
  private let state: Mutex<State>

  private struct State {
    var isPresent: [Bool]
    var missing: Int
    var isComplete = false
  }

  private static let magic = Array("STRATAPM".utf8)
  private static let headerSize = 64

  init(_ cache: PayloadCache, _ payload: Payload, _ layout: SHA256Value) throws(StreamError) {
    self.cache = cache
    self.payload = payload
    name = Self.name(payload.key, layout)
    let directory = cache.directory
    do throws(Errno) {
      file = SharedDescriptor(
        try directory.view.open(name, [.readWrite, .create, .noFollow], mode: 0o600))
      map = SharedDescriptor(
        try directory.view.open(Self.mapName(name), [.readWrite, .create, .noFollow], mode: 0o600))
      let header = Self.header(payload, cache.boot, layout)
      let marks = payload.chunks.map(Self.mark)
      let size = Self.headerSize + 4 * marks.count
      let found = try map.view.bytes(size + 1, at: 0)
      var isPresent = payload.chunks.map(\.isHole)
      // All but the boot's 16 bytes must be as expected.
      let isOurs =
        found.count == size && found[..<16].elementsEqual(header[..<16])
        && found[32..<64].elementsEqual(header[32...])
      if isOurs, try file.view.status().size == payload.size {
        for (number, mark) in marks.enumerated() where !isPresent[number] {
          let place = Self.headerSize + 4 * number
          isPresent[number] = found[place..<(place + 4)].elementsEqual(mark)
        }
      } else {
        try map.view.truncate(to: 0)
        try file.view.truncate(to: 0)
        try file.view.truncate(to: payload.size)
        try map.view.truncate(to: Int64(size))
      }
      if found.count < 32 || !found[16..<32].elementsEqual(cache.boot.bytes) {
        for (number, chunk) in payload.chunks.enumerated() where isPresent[number] && !chunk.isHole
        {
          if try PayloadCache.isSound(file.view, chunk) { continue }
          isPresent[number] = false
          try map.view.writeAll(
            [UInt8](repeating: 0, count: 4).rawSpan, at: Int64(Self.headerSize + 4 * number))
        }
        try map.view.writeAll(header.rawSpan, at: 0)
      }
      state = Mutex(State(isPresent: isPresent, missing: isPresent.count { !$0 }))
    } catch { throw StreamError(error, "open the cached \(name)") }
  }

  /// `partial/<sha256>-<layout>`.
  static func name(_ key: SHA256Value, _ layout: SHA256Value) -> RawPath {
    RawPath("partial/\(key.hex)-\(layout.hex)")
  }

  private static func mapName(_ name: RawPath) -> RawPath {
    RawPath(Array(name.bytes) + ".map".utf8)
  }

  private static func header(_ payload: Payload, _ boot: BootID, _ layout: SHA256Value) -> [UInt8] {
    var bytes = magic
    bytes.append(little: UInt32(1))
    bytes.append(little: UInt32(payload.chunks.count))
    bytes.append(contentsOf: boot.bytes)
    bytes.append(layout)
    return bytes
  }

  /// What says that a chunk is there; never zeros.
  private static func mark(_ chunk: LayerChunk) -> [UInt8] {
    let mark = Array(chunk.digest.bytes.prefix(4))
    return mark == [0, 0, 0, 0] ? [1, 0, 0, 0] : mark
  }

  /// Whether a chunk is there; `number` counts from 0 in `payload.chunks`.
  package func isPresent(_ number: Int) -> Bool {
    state.withLock { $0.isPresent.indices.contains(number) && $0.isPresent[number] }
  }

  /// Whether the content has got its name: whoever needs it from now on opens that.
  var isComplete: Bool { state.withLock { $0.isComplete } }

  /// How many chunks are missing.
  package var missingCount: Int { state.withLock { $0.missing } }

  /// Keeps a chunk; true when it was the last that was missing, and `complete` is to be called.
  ///
  /// True for one caller only.
  package func write(_ chunk: VerifiedChunk, as number: Int) throws(StreamError) -> Bool {
    guard payload.chunks.indices.contains(number), payload.chunks[number].isSamePiece(chunk.chunk)
    else { throw StreamError(.mismatch, "cache: another chunk than number \(number)") }
    if isPresent(number) { return false }
    do throws(Errno) {
      try file.view.writeAll(chunk.bytes.rawSpan, at: chunk.chunk.fileOffset)
      try map.view.writeAll(
        Self.mark(chunk.chunk).rawSpan, at: Int64(Self.headerSize + 4 * number))
    } catch { throw StreamError(error, "cache \(name)") }
    cache.noteWritten(Int64(chunk.bytes.count))
    return state.withLock { state in
      if state.isPresent[number] { return false }
      state.isPresent[number] = true
      state.missing -= 1
      return state.missing == 0
    }
  }

  /// Up to `count` bytes from an offset, which must lie in chunks that are there.
  package func bytes(_ count: Int, at offset: Int64) throws(Errno) -> [UInt8] {
    try file.view.bytes(count, at: offset)
  }

  /// The descriptor of the sparse file, for reads in chunks that are there; keep this object meanwhile.
  package var descriptor: SharedDescriptor { file }

  /// Hashes the whole content and gives it its name; all chunks must be there.
  ///
  /// `mismatch`, and everything is thrown away, where the whole is not what the TOC promises although
  /// its chunks are: such a file can never be served.
  package func complete() throws(StreamError) -> CachedPayload {
    guard missingCount == 0 else {
      throw StreamError(.unexpectedEnd, "cache: \(name) is not complete")
    }
    do throws(Errno) {
      if payload.digest != nil, try !PayloadCache.isSound(file.view, payload) {
        try remove()
        throw .inputOutputError
      }
      try file.view.setMode(0o400)
      try cache.stamp(file.view)
    } catch  where error == .inputOutputError {
      throw StreamError(.mismatch, "cache: \(payload.key): its chunks do not make the whole")
    } catch { throw StreamError(error, "cache \(name)") }
    do throws(StreamError) {
      try cache.adopt(name, payload)
    } catch  where error.kind == .system(.noSuchFileOrDirectory) {
      // Whoever came first has moved it.
    }
    state.withLock { $0.isComplete = true }
    try? cache.directory.view.unlink(Self.mapName(name))
    guard let cached = try cache.open(payload) else {
      throw StreamError(.system(.noSuchFileOrDirectory), "cache: \(payload.key) is gone")
    }
    return cached
  }

  private func remove() throws(Errno) {
    let directory = cache.directory
    for path in [name, Self.mapName(name)] {
      do throws(Errno) { try directory.view.unlink(path) } catch
        where error == .noSuchFileOrDirectory
      {}
    }
  }
}

extension LayerChunk {
  /// Whether both stand for the same bytes at the same place of a file, wherever in a blob they lie.
  func isSamePiece(_ other: LayerChunk) -> Bool {
    (fileOffset, length, digest) == (other.fileOffset, other.length, other.digest)
  }
}
