package import StrataModel
package import StrataSystem

/// Writes a tar archive: ustar headers, with PAX records before those that ustar cannot express.
package final class TarWriter {
  package init(_ sink: any ByteSink) {}

  /// An entry whose body is `header.size` bytes of `body`; fewer or more are an error.
  package func append(_ header: TarHeader, body: any ByteSource) throws(StreamError) {}

  /// An entry with its body at hand; its size is that of `body`.
  package func append(_ header: TarHeader, bytes: [UInt8] = []) throws(StreamError) {}

  /// The two zero blocks at the end.
  package func finish() throws(StreamError) {}
}
