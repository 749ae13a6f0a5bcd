import StrataCompression
import StrataDigest
import StrataJSON
package import StrataModel
package import StrataSystem

/// Reads a TOC row by row from its compressed bytes, which are what `TOCLocation.toc` names.
///
/// Memory is a few hundred KiB and a zstd window of at most 128 MiB, whatever the TOC's size. Rows come
/// before the whole is verified: whoever keeps anything of them must throw it away unless `next` has
/// returned nil, which it does only where the digest is the promised one.
package final class TOCReader {
  private let splitter: TOCSplitter
  /// What the digest is of: the plain JSON (eStargz), or the compressed bytes (zstd:chunked).
  private let digested: DigestingSource
  private let expected: Digest?
  /// The plain JSON of a zstd:chunked TOC and its digest, where that is promised too.
  private let plain: (source: DigestingSource, digest: Digest)?
  private var rowCount = 0
  private var isDone = false
  private var version: Int64 = 0
  /// The digest of the compressed tar-split that belongs to this TOC (zstd:chunked from
  /// containers/storage 1.54 on); known when `next` has returned nil.
  package private(set) var tarSplitDigest: Digest?

  /// Reads from `compressed`, whose end is the TOC's end; `digest` is what the manifest promises,
  /// nil where nothing does.
  ///
  /// `plainDigest` is a second promise that some manifests make for zstd:chunked
  /// (`ChunkedAnnotations.plainTOCDigest`).
  /// `malformed` where the bytes are not in the form's compression, or hold no TOC.
  package init(
    _ compressed: any ByteSource, form: ChunkedForm, digest: Digest?, plainDigest: Digest? = nil
  ) throws(StreamError) {
    expected = digest
    let algorithm = digest?.algorithm ?? .sha256
    switch form {
    case .zstdChunked:
      digested = DigestingSource(compressed, algorithm)
      let text = DigestingSource(try Self.plain(digested, form), plainDigest?.algorithm ?? .sha256)
      plain = plainDigest.map { (text, $0) }
      splitter = TOCSplitter(text)
    case .eStargz:
      let tar = TarReader(try Self.plain(compressed, form))
      guard let header = try tar.next(), header.name == Self.eStargzName else {
        throw StreamError(
          .malformed, "TOC: no \(String(decoding: Self.eStargzName, as: UTF8.self))")
      }
      plain = nil
      digested = DigestingSource(tar.body, algorithm)
      splitter = TOCSplitter(digested)
    }
  }

  /// The one entry of the tar in which eStargz keeps its TOC.
  static let eStargzName = Array("stargz.index.json".utf8)

  private static func plain(
    _ compressed: any ByteSource, _ form: ChunkedForm
  ) throws(StreamError) -> any ByteSource {
    let plain = try DecompressingSource(compressed)
    guard plain.compression == form.compression else {
      throw StreamError(.malformed, "TOC: not compressed as its form demands")
    }
    return plain
  }

  /// The next row; nil at the end, with the digest verified.
  ///
  /// `mismatch` where the digest is another than promised; `limit`, `malformed`, `unexpectedEnd`.
  package func next() throws(StreamError) -> TOCEntry? {
    if isDone { return nil }
    while let (piece, entry) = try splitter.next(row: { (json) throws(JSONError) in
      try TOCEntry(json: json)
    }) {
      if let entry {
        rowCount += 1
        if rowCount > TOCLimit.entries {
          throw StreamError(.limit, "TOC: more than \(TOCLimit.entries) entries")
        }
        return entry
      }
      if case .member(let name, let value) = piece { try take(name, value) }
    }
    // Whatever lies behind the JSON's frame is part of what was digested.
    let rest = ByteBuffer(capacity: 1 << 12)
    while try digested.fill(rest) {}
    guard version == 1 else { throw StreamError(.unsupported, "TOC: version \(version)") }
    if let expected, expected != digest {
      throw StreamError(.mismatch, "TOC: digest is \(digest) instead of \(expected)")
    }
    if let plain, plain.source.digest() != plain.digest {
      throw StreamError(
        .mismatch, "TOC: plain digest is \(plain.source.digest()) instead of \(plain.digest)")
    }
    isDone = true
    return nil
  }

  /// The digest of the TOC, when `next` has returned nil.
  package var digest: Digest { digested.digest() }

  private func take(_ name: String, _ value: [UInt8]) throws(StreamError) {
    do throws(JSONError) {
      var scanner = JSONScanner(value)
      if try scanner.skipNull() { return }
      switch name.lowercased() {
      case "version": version = try scanner.integer(Int64.min...Int64.max)
      case "tarsplitdigest":
        let text = try scanner.string()
        if text.isEmpty { return }
        guard let digest = try? Digest(text) else {
          throw JSONError("a digest of the tar-split that is none", at: 0)
        }
        tarSplitDigest = digest
      case "entries": throw JSONError("entries that are no list", at: 0)
      default: _ = try scanner.skipValue()
      }
      try scanner.expectEnd()
    } catch { throw StreamError(.malformed, "TOC: \(name): \(error)") }
  }
}
