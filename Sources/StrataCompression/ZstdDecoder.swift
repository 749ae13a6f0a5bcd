private import CZstd
import StrataSystem

/// zstd, frame after frame, skippable ones too.
///
/// A frame that asks for a window above 128 MiB is refused: a decoder has to hold the window in
/// memory.
@safe
final class ZstdDecoder: Decoder {
  private let context: OpaquePointer

  init() throws(StreamError) {
    guard let context = unsafe ZSTD_createDCtx() else {
      throw StreamError(.system(.outOfMemory), "zstd: cannot start")
    }
    unsafe self.context = context
    _ = unsafe ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 27)
  }

  deinit { _ = unsafe ZSTD_freeDCtx(context) }

  func decode(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, isLast: Bool
  ) throws(StreamError) -> DecodeStep {
    var source = unsafe ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
    var target = unsafe ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
    let result = unsafe ZSTD_decompressStream(context, &target, &source)
    if ZSTD_isError(result) != 0 {
      let text = unsafe String(cString: ZSTD_getErrorName(result))
      if ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge {
        throw StreamError(.limit, "zstd: the window is larger than 128 MiB")
      }
      throw StreamError(.malformed, "zstd: \(text)")
    }
    return unsafe DecodeStep(consumed: source.pos, produced: target.pos, hasEnded: result == 0)
  }
}
