import StrataCompression
package import StrataSystem

/// Writes a tar-split file: JSON lines, deflated as they come (storage-format 5).
///
/// Segments are everything of the archive that is no recorded body. What comes in several calls
/// becomes one segment, unless it grows beyond 1 MiB.
package final class TarSplitWriter {
  private let output: any ByteSink
  private let gzip: GzipSink?
  private var lines: [UInt8] = []
  private var pending: [UInt8] = []
  private var position = 0
  private static let segmentLimit = 1 << 20
  private static let lineLimit = 1 << 16

  /// Writes the finished bytes of the `.tar-split.gz` to `sink`.
  package init(to sink: any ByteSink) {
    let gzip = GzipSink(to: sink)
    self.gzip = gzip
    output = gzip
    lines.reserveCapacity(2 * Self.lineLimit)
    pending.reserveCapacity(1 << 14)
  }

  /// Writes the plain lines to `sink`, for zstd:chunked, which compresses them in its own way.
  init(plainTo sink: any ByteSink) {
    gzip = nil
    output = sink
  }

  /// Bytes of the archive that are kept as they are.
  package func segment(_ bytes: RawSpan) throws(StreamError) {
    pending.append(bytes)
    if pending.count >= Self.segmentLimit { try flushSegment() }
  }

  /// As above for an array.
  package func segment(_ bytes: [UInt8]) throws(StreamError) {
    pending.append(contentsOf: bytes)
    if pending.count >= Self.segmentLimit { try flushSegment() }
  }

  /// An entry whose body, of `size` bytes, will be taken from the file system; size 0 for entries
  /// without a body and for those whose body went into segments.
  package func file(name: [UInt8], size: Int64, checksum: UInt64) throws(StreamError) {
    try flushSegment()
    append("{\"type\":1,")
    if String(validating: name, as: UTF8.self) == nil {
      append("\"name_raw\":\"")
      lines.appendBase64(of: name.rawSpan)
      append("\",")
    } else if !name.isEmpty {
      append("\"name\":\"")
      appendEscaped(name)
      append("\",")
    }
    if size > 0 {
      append("\"size\":\(size),\"payload\":\"")
      let bytes = (0..<8).map { UInt8(truncatingIfNeeded: checksum >> (56 - 8 * UInt64($0))) }
      lines.appendBase64(of: bytes.rawSpan)
      append("\",")
    } else {
      append("\"payload\":null,")
    }
    try endLine()
  }

  /// Writes what is left and ends the file.
  package func finish() throws(StreamError) {
    try flushSegment()
    try output.write(lines)
    lines.removeAll()
    try gzip?.finish()
  }

  private func flushSegment() throws(StreamError) {
    if pending.isEmpty { return }
    append("{\"type\":2,\"payload\":\"")
    lines.appendBase64(of: pending.rawSpan)
    append("\",")
    pending.removeAll(keepingCapacity: pending.count < Self.lineLimit)
    try endLine()
  }

  private func endLine() throws(StreamError) {
    append("\"position\":\(position)}\n")
    position += 1
    if lines.count >= Self.lineLimit {
      try output.write(lines)
      lines.removeAll(keepingCapacity: lines.count < 4 * Self.lineLimit)
    }
  }

  private func append(_ text: String) { lines.append(contentsOf: text.utf8) }

  /// Escapes UTF-8 as Go's encoder does: `<`, `>` and `&` too.
  private func appendEscaped(_ name: [UInt8]) {
    for byte in name {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        lines.append(UInt8(ascii: "\\"))
        lines.append(byte)
      case 0..<0x20, UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"), 0x7f:
        append("\\u00")
        lines.append(hexDigit(byte >> 4))
        lines.append(hexDigit(byte & 15))
      default: lines.append(byte)
      }
    }
  }

  private func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? value + UInt8(ascii: "0") : value - 10 + UInt8(ascii: "a")
  }
}
