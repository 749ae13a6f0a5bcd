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
  private let stream: UnsafeMutablePointer<isal_zstream>
  private let memory: UnsafeMutablePointer<UInt8>
  /// As for `ISALEncoder`.
  private static let memorySize = 1 << 19
  /// Nil for gzip.
  private let context: OpaquePointer?

  /// `gzip` or `zstd`.
  package init(_ compression: Compression) throws(StreamError) {
    unsafe stream = .allocate(capacity: 1)
    unsafe memory = .allocate(capacity: Self.memorySize)
    unsafe context = compression == .zstd ? ZSTD_createCCtx() : nil
    if let context = unsafe context {
      _ = unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 3)
      _ = unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    } else if compression != .gzip {
      throw StreamError(.unsupported, "members are gzip or zstd")
    }
  }

  deinit {
    unsafe stream.deallocate()
    unsafe memory.deallocate()
    _ = unsafe ZSTD_freeCCtx(context)
  }

  /// Room for what becomes of a block of that size at worst: stored blocks, header and trailer.
  package static func outputSize(_ inputSize: Int) -> Int { inputSize + inputSize / 128 + 1024 }

  /// Appends to nothing: replaces `output`; the number is always 0.
  package func transform(_ input: RawSpan, into output: ByteBuffer) throws(StreamError) -> UInt64 {
    try output.fill { (room: inout MutableRawSpan) throws(StreamError) -> Int in
      try unsafe room.withUnsafeMutableBytes { target throws(StreamError) -> Int in
        try unsafe input.withUnsafeBytes { source throws(StreamError) -> Int in
          guard let context = unsafe context else { return try unsafe deflate(source, target) }
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

  private func deflate(_ source: UnsafeRawBufferPointer, _ target: UnsafeMutableRawBufferPointer)
    throws(StreamError) -> Int
  {
    unsafe isal_deflate_stateless_init(stream)
    unsafe stream.pointee.level = 1
    unsafe stream.pointee.level_buf = memory
    unsafe stream.pointee.level_buf_size = UInt32(Self.memorySize)
    unsafe stream.pointee.gzip_flag = UInt16(IGZIP_GZIP)
    unsafe stream.pointee.end_of_stream = 1
    unsafe stream.pointee.flush = UInt16(NO_FLUSH)
    // The library does not write through next_in.
    unsafe stream.pointee.next_in = UnsafeMutablePointer(
      mutating: source.baseAddress?.assumingMemoryBound(to: UInt8.self))
    unsafe stream.pointee.avail_in = UInt32(source.count)
    unsafe stream.pointee.next_out = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
    unsafe stream.pointee.avail_out = UInt32(target.count)
    guard unsafe isal_deflate_stateless(stream) == COMP_OK else {
      throw StreamError(.malformed, "gzip: the compressor failed")
    }
    return unsafe target.count - Int(stream.pointee.avail_out)
  }
}
