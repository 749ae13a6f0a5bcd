private import CLZMA
import StrataSystem

/// xz, stream after stream.
///
/// Memory is bounded: the largest dictionary of the presets is 64 MiB.
@safe
final class XzDecoder: Decoder {
  private let stream: UnsafeMutablePointer<lzma_stream>
  private static let memoryLimit: UInt64 = 192 << 20
  /// LZMA_CONCATENATED, a macro that Swift does not see.
  private static let concatenated: UInt32 = 0x08

  init() throws(StreamError) {
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: lzma_stream())
    let result = unsafe lzma_stream_decoder(
      stream, Self.memoryLimit, Self.concatenated)
    if result != LZMA_OK { throw StreamError(.system(.outOfMemory), "xz: cannot start") }
  }

  deinit {
    unsafe lzma_end(stream)
    unsafe stream.deallocate()
  }

  func decode(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, isLast: Bool
  ) throws(StreamError) -> DecodeStep {
    unsafe stream.pointee.next_in = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
    unsafe stream.pointee.avail_in = input.count
    unsafe stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
    unsafe stream.pointee.avail_out = output.count
    // LZMA_FINISH tells it that no further stream can follow.
    let result = unsafe lzma_code(stream, isLast ? LZMA_FINISH : LZMA_RUN)
    switch result {
    case LZMA_OK, LZMA_STREAM_END, LZMA_BUF_ERROR: break
    case LZMA_MEM_ERROR: throw StreamError(.system(.outOfMemory), "xz: out of memory")
    case LZMA_MEMLIMIT_ERROR: throw StreamError(.limit, "xz: the dictionary is too large")
    case LZMA_FORMAT_ERROR: throw StreamError(.malformed, "xz: invalid header")
    case LZMA_OPTIONS_ERROR: throw StreamError(.unsupported, "xz: unsupported options")
    default: throw StreamError(.malformed, "xz: corrupt input")
    }
    return unsafe DecodeStep(
      consumed: input.count - stream.pointee.avail_in,
      produced: output.count - stream.pointee.avail_out, hasEnded: result == LZMA_STREAM_END)
  }
}
