package import StrataModel
package import StrataSystem

/// Reads a tar archive entry by entry: ustar, PAX (with global headers, extended attributes, sparse
/// files), GNU long names and base-256 numbers.
package final class TarReader {
  package init(_ source: any ByteSource) {}

  /// The next entry, or nil at the end of the archive; the rest of the last entry's body is skipped.
  package func next() throws(StreamError) -> TarHeader? {
    throw StreamError(.unsupported, "not yet")
  }

  /// The rest of the current entry's body, holes as zeros.
  package var body: any ByteSource { ArraySource([]) }

  /// What is left of the current entry's body; more than `limit` bytes are an error.
  package func readBody(limit: Int) throws(StreamError) -> [UInt8] {
    try body.readToEnd(limit: limit)
  }
}
