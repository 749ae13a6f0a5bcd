private import CBZip2
import StrataSystem

/// bzip2, stream after stream, as parallel compressors write them.
@safe
final class Bzip2Decoder: Decoder {
  private let stream: UnsafeMutablePointer<bz_stream>
  private var needsReset = false

  init() throws(StreamError) {
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: bz_stream())
    try start()
  }

  deinit {
    unsafe BZ2_bzDecompressEnd(stream)
    unsafe stream.deallocate()
  }

  private func start() throws(StreamError) {
    if unsafe BZ2_bzDecompressInit(stream, 0, 0) != BZ_OK {
      throw StreamError(.system(.outOfMemory), "bzip2: cannot start")
    }
  }

  func decode(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, isLast: Bool
  ) throws(StreamError) -> DecodeStep {
    if needsReset {
      unsafe BZ2_bzDecompressEnd(stream)
      unsafe stream.pointee = bz_stream()
      try start()
      needsReset = false
    }
    // The library does not write through next_in.
    unsafe stream.pointee.next_in = UnsafeMutablePointer(
      mutating: input.baseAddress?.assumingMemoryBound(to: CChar.self))
    unsafe stream.pointee.avail_in = UInt32(clamping: input.count)
    unsafe stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: CChar.self)
    unsafe stream.pointee.avail_out = UInt32(clamping: output.count)
    let room = unsafe Int(stream.pointee.avail_out)
    let result = unsafe BZ2_bzDecompress(stream)
    switch result {
    case BZ_OK, BZ_STREAM_END: break
    case BZ_MEM_ERROR: throw StreamError(.system(.outOfMemory), "bzip2: out of memory")
    case BZ_DATA_ERROR_MAGIC: throw StreamError(.malformed, "bzip2: invalid header")
    default: throw StreamError(.malformed, "bzip2: corrupt input")
    }
    needsReset = result == BZ_STREAM_END
    return unsafe DecodeStep(
      consumed: input.count - Int(stream.pointee.avail_in),
      produced: room - Int(stream.pointee.avail_out), hasEnded: needsReset)
  }
}
