private import CZstd
package import StrataSystem

/// Compresses to one zstd frame with a content checksum; level 3 where none is given.
///
/// The library compresses on threads of its own, one for each core. Their number does not change
/// the bytes; that there is one at all does, so there always is.
///
/// `finish` must be called: without it the frame has no end.
@safe
package final class ZstdSink: ByteSink {
  private let encoder: ZstdEncoder
  private let sink: any ByteSink
  private let output = ByteBuffer(capacity: 1 << 17)

  package convenience init(to sink: any ByteSink, level: Int? = nil) {
    var settings = ZstdSettings()
    settings.level = level ?? 3
    settings.workers = OrderedWorkers.preferredCount
    // Bounds the memory: each worker holds a piece of this size twice.
    settings.jobSize = Self.jobSize
    self.init(to: sink, settings)
  }

  /// With other settings than our own: those of a frame that is to be made again.
  package init(to sink: any ByteSink, _ settings: ZstdSettings) {
    self.sink = sink
    encoder = ZstdEncoder(settings)
  }

  /// How much our own frames' workers compress by itself.
  package static let jobSize = 4 << 20

  package func write(_ bytes: RawSpan) throws(StreamError) {
    try encoder.encode(bytes, isLast: false, through: output, to: sink)
  }

  package func finish() throws(StreamError) {
    try encoder.encode([UInt8]().rawSpan, isLast: true, through: output, to: sink)
  }
}

@safe
private final class ZstdEncoder: Encoder {
  private let context: OpaquePointer?

  init(_ settings: ZstdSettings) {
    unsafe context = ZSTD_createCCtx()
    if let context = unsafe context {
      _ = unsafe ZSTD_CCtx_setParameter(
        context, ZSTD_c_compressionLevel, Int32(max(1, min(settings.level, 22))))
      _ = unsafe ZSTD_CCtx_setParameter(
        context, ZSTD_c_checksumFlag, settings.hasChecksum ? 1 : 0)
      // A library built without threads refuses, and compresses where it is called.
      _ = unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_nbWorkers, Int32(settings.workers))
      if settings.workers > 0, settings.jobSize > 0 {
        _ = unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_jobSize, Int32(settings.jobSize))
      }
      if let size = settings.contentSize {
        _ = unsafe ZSTD_CCtx_setPledgedSrcSize(context, size)
      }
    }
  }

  deinit { _ = unsafe ZSTD_freeCCtx(context) }

  func step(
    _ input: UnsafeRawBufferPointer, isLast: Bool, into output: UnsafeMutableRawBufferPointer
  ) throws(StreamError) -> (consumed: Int, produced: Int, isDone: Bool) {
    guard let context = unsafe context else {
      throw StreamError(.system(.outOfMemory), "zstd: cannot start")
    }
    var source = unsafe ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
    var target = unsafe ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
    let left = unsafe ZSTD_compressStream2(
      context, &target, &source, isLast ? ZSTD_e_end : ZSTD_e_continue)
    if ZSTD_isError(left) != 0 {
      throw StreamError(.malformed, "zstd: \(unsafe String(cString: ZSTD_getErrorName(left)))")
    }
    let isDone = unsafe isLast ? left == 0 : source.pos == input.count && target.pos < output.count
    return unsafe (source.pos, target.pos, isDone)
  }
}
