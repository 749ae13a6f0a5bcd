package import StrataSystem

/// Compresses to gzip: by ISA-L's level 1 where no level is given, else by zlib.
package final class GzipSink: ByteSink {
  package init(to sink: any ByteSink, level: Int? = nil) {}
  package func write(_ bytes: RawSpan) throws(StreamError) {}
  package func finish() throws(StreamError) {}
}
