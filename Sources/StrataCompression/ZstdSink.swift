package import StrataSystem

/// Compresses to zstd.
package final class ZstdSink: ByteSink {
  package init(to sink: any ByteSink, level: Int? = nil) {}
  package func write(_ bytes: RawSpan) throws(StreamError) {}
  package func finish() throws(StreamError) {}
}
