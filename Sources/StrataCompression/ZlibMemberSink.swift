private import CISAL
package import StrataSystem

/// Compresses to one gzip member by zlib, behind a header that is given: what made a blob may have
/// written a name or a time there.
@safe
package final class ZlibMemberSink: ByteSink {
  private let engine: ZlibEncoder
  private let sink: any ByteSink
  private let output = ByteBuffer(capacity: 1 << 17)
  private var header: [UInt8]?
  private var checksum: UInt32 = 0
  private var byteCount: UInt32 = 0

  /// `level` is 1 to 9.
  package init(to sink: any ByteSink, header: [UInt8], level: Int) {
    self.sink = sink
    self.header = header
    engine = ZlibEncoder(level: level, isRaw: true)
  }

  package func write(_ bytes: RawSpan) throws(StreamError) {
    try begin()
    unsafe bytes.withUnsafeBytes { memory in
      guard let base = memory.baseAddress else { return }
      unsafe checksum = crc32_gzip_refl(
        checksum, base.assumingMemoryBound(to: UInt8.self), UInt64(memory.count))
    }
    byteCount &+= UInt32(truncatingIfNeeded: bytes.byteCount)
    try engine.encode(bytes, isLast: false, through: output, to: sink)
  }

  package func finish() throws(StreamError) {
    try begin()
    try engine.encode([UInt8]().rawSpan, isLast: true, through: output, to: sink)
    try sink.write(GzipHeader.trailer(checksum: checksum, size: byteCount))
  }

  private func begin() throws(StreamError) {
    guard let header else { return }
    self.header = nil
    try sink.write(header)
  }
}
