import StrataArchive
import StrataModel
import StrataSystem

/// The chunks of a layer while its index is being built.
struct IndexChunks {
  struct Chunk {
    var fileOffset: Int64
    var length: Int64
    var offset: Int64
    /// As the row says; 0 where it says nothing.
    var end: Int64
    var innerOffset: UInt32
    var isHole: Bool
    /// Whether `end` may be the whole file's: containers/storage up to 1.43 wrote it so.
    var endIsOfFile = false
    var digest: SHA256Value
  }

  private(set) var chunks: [Chunk] = []

  var count: Int { chunks.count }

  mutating func append(_ chunk: Chunk) { chunks.append(chunk) }

  mutating func markEndAsOfFile(_ number: Int) { chunks[number].endIsOfFile = true }

  mutating func forget(from number: Int) { chunks.removeSubrange(number...) }

  /// The lengths of the chunks' compressed extents, 0 for holes.
  ///
  /// An extent ends where the row says or where the next one begins, and before the TOC. Chunks that
  /// begin at the same place hold the same bytes, or lie behind each other in one member.
  func extents(tocOffset: Int64) throws(StreamError) -> [UInt32] {
    let order = chunks.indices.filter { !chunks[$0].isHole }.sorted {
      (chunks[$0].offset, chunks[$0].innerOffset) < (chunks[$1].offset, chunks[$1].innerOffset)
    }
    var result = [UInt32](repeating: 0, count: chunks.count)
    var next = tocOffset
    var previous: Int?
    for number in order.reversed() {
      let chunk = chunks[number]
      if let previous, chunks[previous].offset > chunk.offset { next = chunks[previous].offset }
      if let previous, chunks[previous].offset == chunk.offset {
        try checkPair(chunk, chunks[previous])
      }
      guard chunk.offset < next else {
        throw StreamError(.malformed, "TOC: a chunk at \(chunk.offset), behind the layer's content")
      }
      var end = next
      if chunk.end > 0 {
        guard chunk.end > chunk.offset, chunk.end <= next || chunk.endIsOfFile else {
          throw StreamError(
            .malformed, "TOC: the chunk at \(chunk.offset) overlaps another or has no length")
        }
        end = min(next, chunk.end)
      }
      result[number] = UInt32(min(end - chunk.offset, Self.limit(of: chunk)))
      previous = number
    }
    return result
  }

  /// More compressed bytes than these no chunk can have: deflate's and zstd's stored blocks cost less
  /// than a part in 256, the header of a member some hundred bytes.
  private static func limit(of chunk: Chunk) -> Int64 {
    let plain = Int64(chunk.innerOffset) + chunk.length
    return plain + plain / 256 + 1024
  }

  private func checkPair(_ chunk: Chunk, _ behind: Chunk) throws(StreamError) {
    let isSame = chunk.digest == behind.digest && chunk.length == behind.length
    let isBehind = Int64(chunk.innerOffset) + chunk.length <= Int64(behind.innerOffset)
    guard isBehind || (isSame && chunk.innerOffset == behind.innerOffset) else {
      throw StreamError(.malformed, "TOC: two chunks at \(chunk.offset) with different content")
    }
  }
}
