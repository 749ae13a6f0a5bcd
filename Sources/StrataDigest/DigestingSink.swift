package import StrataModel
package import StrataSystem

/// Passes bytes on to a sink, or drops them where there is none, and keeps their digest and number.
package final class DigestingSink: ByteSink {
  private let sink: (any ByteSink)?
  private var digester = Digester()
  private var byteCount: Int64 = 0

  package init(_ sink: (any ByteSink)?) {
    self.sink = sink
  }

  package func write(_ bytes: RawSpan) throws(StreamError) {
    digester.update(bytes)
    byteCount += Int64(bytes.byteCount)
    try sink?.write(bytes)
  }

  /// Digest and size of everything written so far.
  package func finish() -> (Digest, Int64) {
    (digester.digest(), byteCount)
  }
}
