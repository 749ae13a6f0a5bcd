package import StrataModel
package import StrataSystem

/// A layer form whose table of contents (TOC) lets a reader find each file in the blob by itself.
package enum ChunkedForm: UInt32, Sendable {
  /// gzip members, one for each chunk (stargz-snapshotter, docs/estargz.md); CRFS's stargz too.
  case eStargz = 1
  /// zstd frames, one for each chunk (containers/storage, pkg/chunked).
  case zstdChunked = 2

  /// How chunks and TOC are compressed.
  package var compression: Compression { self == .eStargz ? .gzip : .zstd }
}

/// Bounds of what a TOC may cost a reader (lazy-design section 4).
package enum TOCLimit {
  /// Of the TOC, compressed and plain: what containers/storage takes.
  package static let bytes = 150 << 20
  /// Of the rows, `chunk` rows included.
  package static let entries = 4 << 20
  /// How deep its JSON may nest.
  package static let depth = 32
  /// Of one row's JSON: a name, a link and attributes.
  package static let entryBytes = 1 << 20
}

/// A range of a blob's bytes.
package struct BlobRange: Hashable, Sendable {
  /// The first byte.
  package var offset: Int64
  /// How many there are.
  package var length: Int64

  package init(offset: Int64, length: Int64) {
    self.offset = offset
    self.length = length
  }

  /// The byte behind the last.
  package var end: Int64 { offset + length }
}

/// Where a blob holds its TOC, as its footer or the manifest's annotations say.
///
/// Every range lies inside of the blob, and no longer than `TOCLimit.bytes`.
package struct TOCLocation: Hashable, Sendable {
  /// The form of the layer.
  package var form: ChunkedForm
  /// The compressed TOC: what `TOCReader` is to be given.
  package var toc: BlobRange
  /// The plain TOC's length; nil for eStargz, which does not say.
  package var plainLength: Int64?
  /// The compressed tar-split and its plain length, where the blob holds one.
  package var tarSplit: BlobRange?
  package var plainTarSplitLength: Int64?
}

/// What the annotations of a layer in a manifest say of its TOC.
///
/// They are looked at before any footer: they are covered by the manifest's digest. Both spellings of
/// zstd:chunked's prefix are read.
package struct ChunkedAnnotations: Hashable, Sendable {
  /// The form that the TOC's digest was given for.
  package var form: ChunkedForm
  /// The TOC's digest: of the plain JSON for eStargz, of the compressed bytes for zstd:chunked.
  package var tocDigest: Digest
  /// Of the plain JSON of a zstd:chunked TOC, which stargz-snapshotter's converter gives besides: podman
  /// from 5.1 on asks for such a layer by it.
  package var plainTOCDigest: Digest?
  /// `offset:compressed:plain:type` of zstd:chunked, unchecked: see `location(blobSize:)`.
  var tocPosition: String?
  var tarSplitPosition: String?
  /// The plain tar's size, where the writer gave it (`io.containers.estargz.uncompressed-size`).
  package var uncompressedSize: Int64?

  /// The prefixes of zstd:chunked: that of containers/storage from 1.44 on, and the older one.
  package static let zstdPrefixes = [
    "io.github.containers.zstd-chunked.", "io.containers.zstd-chunked.",
  ]
  package static let eStargzDigest = "containerd.io/snapshot/stargz/toc.digest"
  package static let eStargzSize = "io.containers.estargz.uncompressed-size"

  /// Nil where the annotations name no TOC: the layer is a plain one.
  ///
  /// `malformed` where they name two of different forms, as the peer refuses (the older prefix of
  /// zstd:chunked may stand beside eStargz's name), or a digest that is none.
  package init?(_ annotations: [String: String]) throws(StreamError) {
    func value(_ suffix: String) -> String? {
      Self.zstdPrefixes.lazy.compactMap { annotations[$0 + suffix] }.first
    }
    let stargz = annotations[Self.eStargzDigest]
    let zstd = value("manifest-checksum")
    guard let text = zstd ?? stargz else { return nil }
    if stargz != nil, annotations[Self.zstdPrefixes[0] + "manifest-checksum"] != nil {
      throw StreamError(.malformed, "both zstd:chunked and eStargz TOC found")
    }
    func digest(_ text: String) throws(StreamError) -> Digest {
      do {
        return try Digest(text)
      } catch {
        throw StreamError(.malformed, "TOC digest \(text) in the annotations: \(error)")
      }
    }
    tocDigest = try digest(text)
    form = zstd == nil ? .eStargz : .zstdChunked
    if zstd != nil, let stargz { plainTOCDigest = try digest(stargz) }
    tocPosition = form == .zstdChunked ? value("manifest-position") : nil
    tarSplitPosition = form == .zstdChunked ? value("tarsplit-position") : nil
    uncompressedSize = annotations[Self.eStargzSize].flatMap { Int64($0) }.flatMap {
      $0 >= 0 ? $0 : nil
    }
  }

  /// Where the TOC lies, if the annotations say so; nil: the footer has to be read.
  package func location(blobSize: Int64) throws(StreamError) -> TOCLocation? {
    guard let tocPosition else { return nil }
    let numbers = try Self.numbers(tocPosition, 4)
    var fields = Array(numbers)
    if let tarSplitPosition { fields += try Self.numbers(tarSplitPosition, 3) }
    return try TOCLocation(zstdFields: fields.map(UInt64.init), end: blobSize)
  }

  private static func numbers(_ text: String, _ count: Int) throws(StreamError) -> [Int64] {
    let numbers = text.split(separator: ":", omittingEmptySubsequences: false)
      .compactMap { Int64($0) }.filter { $0 >= 0 }
    guard numbers.count == count else {
      throw StreamError(.malformed, "position \(text) in the annotations")
    }
    return numbers
  }
}
