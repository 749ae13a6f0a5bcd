private import CZlib
import StrataSystem

/// gzip by zlib: for machines that ISA-L has no code for, and what its answers are tested against.
@safe
final class ZlibDecoder: Decoder {
  private let stream: UnsafeMutablePointer<z_stream>
  private var needsReset = false

  init() throws(StreamError) {
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    // 15 bits of window, 16: a gzip wrapper and no other.
    let result = unsafe inflateInit2_(
      stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    if result != Z_OK { throw StreamError(.system(.outOfMemory), "gzip: cannot start") }
  }

  deinit {
    unsafe inflateEnd(stream)
    unsafe stream.deallocate()
  }

  func decode(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, isLast: Bool
  ) throws(StreamError) -> DecodeStep {
    if needsReset {
      unsafe inflateReset(stream)
      needsReset = false
    }
    unsafe stream.pointee.next_in = UnsafeMutablePointer(
      mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
    unsafe stream.pointee.avail_in = UInt32(clamping: input.count)
    unsafe stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
    unsafe stream.pointee.avail_out = UInt32(clamping: output.count)
    let room = unsafe Int(stream.pointee.avail_out)
    let result = unsafe inflate(stream, Z_NO_FLUSH)
    switch result {
    case Z_OK, Z_BUF_ERROR, Z_STREAM_END: break
    case Z_MEM_ERROR: throw StreamError(.system(.outOfMemory), "gzip: out of memory")
    default:
      let text = unsafe stream.pointee.msg.map { unsafe String(cString: $0) } ?? "corrupt input"
      throw StreamError(.malformed, "gzip: \(text)")
    }
    needsReset = result == Z_STREAM_END
    return unsafe DecodeStep(
      consumed: input.count - Int(stream.pointee.avail_in),
      produced: room - Int(stream.pointee.avail_out), hasEnded: needsReset)
  }
}
