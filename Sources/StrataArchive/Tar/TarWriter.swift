package import StrataModel
package import StrataSystem

/// Writes a tar archive: ustar headers, with PAX records in front of those that ustar cannot hold.
package final class TarWriter {
  private let sink: any ByteSink
  private let buffer = ByteBuffer(capacity: 1 << 20)

  /// Writes to `sink`, in large pieces.
  package init(_ sink: any ByteSink) {
    self.sink = sink
  }

  /// An entry whose body is `header.size` bytes of `body`; fewer or more are an error.
  package func append(_ header: TarHeader, body: any ByteSource) throws(StreamError) {
    try write(header)
    var left = header.size
    while left > 0 {
      if buffer.count == buffer.capacity { try flush() }
      let before = buffer.count
      try buffer.append(limit: Int(clamping: left)) {
        (span: inout MutableRawSpan) throws(StreamError) -> Int in
        try body.read(into: &span)
      }
      if buffer.count == before {
        throw StreamError(
          .mismatch, "\(header.displayName): ended \(left) bytes before its size of \(header.size)")
      }
      left -= Int64(buffer.count - before)
    }
    let probe = ByteBuffer(capacity: 1)
    if try body.fill(probe) {
      throw StreamError(
        .mismatch, "\(header.displayName): longer than its size of \(header.size)")
    }
    try pad(header.size)
  }

  /// An entry with its body at hand; its size is that of `bytes`.
  package func append(_ header: TarHeader, bytes: [UInt8] = []) throws(StreamError) {
    var header = header
    header.size = Int64(bytes.count)
    try write(header)
    try write(bytes)
    try pad(header.size)
  }

  /// The two zero blocks at the end.
  package func finish() throws(StreamError) {
    try write([UInt8](repeating: 0, count: 2 * tarBlockSize))
    try flush()
  }

  private func write(_ header: TarHeader) throws(StreamError) {
    let form = TarHeaderForm(header)
    if !form.records.isEmpty {
      try write(form.recordsBlock())
      try write(form.records)
      try pad(Int64(form.records.count))
    }
    try write(form.block)
  }

  private func pad(_ size: Int64) throws(StreamError) {
    try write([UInt8](repeating: 0, count: tarPadding(size)))
  }

  private func write(_ bytes: [UInt8]) throws(StreamError) {
    if bytes.count > buffer.capacity - buffer.count { try flush() }
    if bytes.count > buffer.capacity {
      try sink.write(bytes)
    } else {
      buffer.append(bytes.rawSpan)
    }
  }

  private func flush() throws(StreamError) {
    if buffer.count > 0 {
      try buffer.withBytes { (bytes) throws(StreamError) in try sink.write(bytes) }
    }
    buffer.clear()
  }
}
