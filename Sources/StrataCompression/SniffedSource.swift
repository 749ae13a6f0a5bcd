package import StrataModel
package import StrataSystem

/// Passes a source through unchanged and tells how its bytes are compressed.
package final class SniffedSource: ByteSource {
  private let source: any ByteSource
  private let start = ByteBuffer(capacity: 4096)
  private var position = 0
  /// What the magic says.
  package let compression: Compression

  /// Reads the first bytes of `source`.
  package init(_ source: any ByteSource) throws(StreamError) {
    self.source = source
    var isAtEnd = false
    while start.count < 6, !isAtEnd {
      let before = start.count
      try start.append { (span: inout MutableRawSpan) throws(StreamError) -> Int in
        try source.read(into: &span)
      }
      isAtEnd = start.count == before
    }
    compression = start.withBytes { detectCompression([UInt8]($0.extracting(first: 6))) }
  }

  package func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    guard position < start.count else { return try source.read(into: &span) }
    let count = start.copyBytes(from: position, into: &span)
    position += count
    return count
  }
}
