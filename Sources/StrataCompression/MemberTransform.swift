private import CISAL
private import CZstd
package import StrataModel
package import StrataSystem

/// Compresses each block to a gzip member (ISA-L's level 1) or a zstd frame (level 3, with its content's
/// size and checksum) of its own.
///
/// For `OrderedWorkers`: each thread has one. The bytes depend on the block alone.
@safe
package final class MemberTransform: BlockTransform {
  private let deflate = ISALDeflate()
  /// Nil for gzip.
  private let context: OpaquePointer?

  /// `gzip` or `zstd`.
  package init(_ compression: Compression) throws(StreamError) {
    unsafe context = compression == .zstd ? ZSTD_createCCtx() : nil
    if let context = unsafe context {
      _ = unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 3)
      _ = unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    } else if compression != .gzip {
      throw StreamError(.unsupported, "members are gzip or zstd")
    }
  }

  deinit {
    _ = unsafe ZSTD_freeCCtx(context)
  }

  /// Room for what becomes of a block of that size at worst: stored blocks, header and trailer.
  package static func outputSize(_ inputSize: Int) -> Int { inputSize + inputSize / 128 + 1024 }

  /// Appends to nothing: replaces `output`; the number is always 0.
  package func transform(_ input: RawSpan, into output: ByteBuffer) throws(StreamError) -> UInt64 {
    try output.fill { (room: inout MutableRawSpan) throws(StreamError) -> Int in
      try unsafe room.withUnsafeMutableBytes { target throws(StreamError) -> Int in
        try unsafe input.withUnsafeBytes { source throws(StreamError) -> Int in
          guard let context = unsafe context else { return try unsafe member(source, target) }
          let count = unsafe ZSTD_compress2(
            context, target.baseAddress, target.count, source.baseAddress, source.count)
          if ZSTD_isError(count) != 0 {
            throw StreamError(
              .malformed, "zstd: \(unsafe String(cString: ZSTD_getErrorName(count)))")
          }
          return count
        }
      }
    }
    return 0
  }

  private func member(_ source: UnsafeRawBufferPointer, _ target: UnsafeMutableRawBufferPointer)
    throws(StreamError) -> Int
  {
    deflate.start(isGzip: true)
    let step = try unsafe deflate.step(source, .end, into: target)
    let trailerSize = 8
    let storedSize = GzipHeader.plain.count + source.count + 5 * (source.count / 65_535 + 1)
    if step.isDone, step.produced <= storedSize + 2 + trailerSize { return step.produced }
    // What deflate would make longer is stored, with an empty last block behind it.
    unsafe target.copyBytes(from: GzipHeader.plain)
    var position = GzipHeader.plain.count
    position += unsafe storeBlocks(
      source, into: UnsafeMutableRawBufferPointer(rebasing: target[position...]))
    let sum = unsafe crc32_gzip_refl(
      0, source.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt64(source.count))
    let end = GzipHeader.end(checksum: sum, size: UInt32(truncatingIfNeeded: source.count))
    unsafe UnsafeMutableRawBufferPointer(rebasing: target[position...]).copyBytes(from: end)
    return position + end.count
  }
}
