package import StrataModel
package import StrataSystem

/// Passes a source through and keeps the digest and number of the bytes that were read.
package final class DigestingSource: ByteSource {
  private let source: any ByteSource
  private var digester: Digester
  /// How many bytes were read so far.
  package private(set) var byteCount: Int64 = 0

  package init(_ source: any ByteSource, _ algorithm: Digest.Algorithm = .sha256) {
    self.source = source
    digester = Digester(algorithm)
  }

  /// The digest of what was read so far.
  package func digest() -> Digest { digester.digest() }

  package func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    let count = try source.read(into: &span)
    digester.update(span.bytes.extracting(first: count))
    byteCount += Int64(count)
    return count
  }
}

/// Passes a source through and throws at its end, with kind `mismatch`, if digest or size are not
/// those that were promised; more bytes than promised end it at once.
package final class VerifyingSource: ByteSource {
  private let source: DigestingSource
  private let digest: Digest?
  private let size: Int64?
  private let what: String

  /// `what` names the bytes in messages; nil for what nobody promised.
  package init(_ source: any ByteSource, digest: Digest?, size: Int64?, what: String) {
    self.source = DigestingSource(source, digest?.algorithm ?? .sha256)
    self.digest = digest
    self.size = size
    self.what = what
  }

  package func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    let count = try source.read(into: &span)
    if let size, source.byteCount > size || (count == 0 && source.byteCount < size) {
      let relation = count == 0 ? "\(source.byteCount) bytes" : "more"
      throw StreamError(.mismatch, "\(what): \(relation) instead of \(size) bytes")
    }
    if count == 0, span.byteCount > 0, let digest {
      let found = source.digest()
      if found != digest {
        throw StreamError(.mismatch, "\(what): digest is \(found) instead of \(digest)")
      }
    }
    return count
  }
}
