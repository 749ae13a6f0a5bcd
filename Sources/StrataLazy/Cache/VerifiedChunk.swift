package import StrataArchive
import StrataCompression
import StrataDigest
import StrataModel
package import StrataSystem

/// The plain bytes of a chunk, which are those that its digest promises: there is no other way to make
/// one than to verify it.
package struct VerifiedChunk: Sendable {
  package let chunk: LayerChunk
  package let bytes: [UInt8]

  /// Decompresses a chunk from `extent`, the bytes of the blob that `chunk.extent` names, and verifies it.
  ///
  /// Makes at most as many plain bytes as the chunk is deep and long, 128 MiB at worst, with a zstd window
  /// of at most 128 MiB. Errors: `mismatch` for wrong bytes, `malformed`, `unexpectedEnd`, `limit`.
  package init(_ chunk: LayerChunk, from extent: RawSpan, _ form: ChunkedForm) throws(StreamError) {
    guard chunk.length <= LayerLimit.chunkBytes else {
      throw StreamError(.limit, "chunk of \(chunk.length) bytes")
    }
    if chunk.isHole {
      bytes = [UInt8](repeating: 0, count: Int(chunk.length))
    } else {
      let plain = try decompressExtent(
        extent, form.compression, skipping: chunk.innerOffset, count: Int(chunk.length))
      let found = Digester.sha256(of: plain.rawSpan)
      guard found == chunk.digest else {
        throw StreamError(.mismatch, "chunk: digest is \(found) instead of \(chunk.digest)")
      }
      bytes = plain
    }
    self.chunk = chunk
  }

  /// Verifies plain bytes that came another way: in a stream of the whole layer, or from a cache.
  package init(_ chunk: LayerChunk, plain: [UInt8]) throws(StreamError) {
    let found = Digester.sha256(of: plain.rawSpan)
    guard Int64(plain.count) == chunk.length, chunk.isHole || found == chunk.digest else {
      throw StreamError(.mismatch, "chunk: digest is \(found) instead of \(chunk.digest)")
    }
    bytes = plain
    self.chunk = chunk
  }
}
