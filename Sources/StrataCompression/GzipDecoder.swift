private import CISAL
import StrataSystem

/// gzip by ISA-L, which inflates 2.2 times as fast as zlib; member follows member, as in
/// concatenated files.
///
/// Anything else behind a member is an error, as it is for Go.
@safe
final class GzipDecoder: Decoder {
  private let state: UnsafeMutablePointer<inflate_state>
  private var needsReset = false

  init() {
    unsafe state = .allocate(capacity: 1)
    unsafe isal_inflate_init(state)
    unsafe state.pointee.crc_flag = UInt32(ISAL_GZIP)
  }

  deinit { unsafe state.deallocate() }

  func decode(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, isLast: Bool
  ) throws(StreamError) -> DecodeStep {
    if needsReset {
      unsafe isal_inflate_reset(state)
      unsafe state.pointee.crc_flag = UInt32(ISAL_GZIP)
      needsReset = false
    }
    // The library does not write through next_in.
    unsafe state.pointee.next_in = UnsafeMutablePointer(
      mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
    unsafe state.pointee.avail_in = UInt32(input.count)
    unsafe state.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
    unsafe state.pointee.avail_out = UInt32(clamping: output.count)
    let room = unsafe Int(state.pointee.avail_out)
    let result = unsafe isal_inflate(state)
    switch result {
    case ISAL_DECOMP_OK, ISAL_END_INPUT, ISAL_OUT_OVERFLOW: break
    case ISAL_INVALID_WRAPPER, ISAL_UNSUPPORTED_METHOD:
      throw StreamError(.malformed, "gzip: invalid header")
    case ISAL_INCORRECT_CHECKSUM: throw StreamError(.malformed, "gzip: invalid checksum")
    default: throw StreamError(.malformed, "gzip: corrupt input")
    }
    let hasEnded = unsafe state.pointee.block_state == ISAL_BLOCK_FINISH
    needsReset = hasEnded
    return unsafe DecodeStep(
      consumed: input.count - Int(state.pointee.avail_in),
      produced: room - Int(state.pointee.avail_out), hasEnded: hasEnded)
  }
}
