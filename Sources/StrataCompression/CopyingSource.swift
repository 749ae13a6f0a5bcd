package import StrataSystem

/// Passes a source through and gives what was read to a sink as well: a blob goes out as it is while its
/// content is looked at.
package final class CopyingSource: ByteSource {
  private let source: any ByteSource
  private let sink: any ByteSink

  package init(_ source: any ByteSource, to sink: any ByteSink) {
    self.source = source
    self.sink = sink
  }

  package func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    let count = try source.read(into: &span)
    if count > 0 { try sink.write(span.bytes.extracting(first: count)) }
    return count
  }
}
