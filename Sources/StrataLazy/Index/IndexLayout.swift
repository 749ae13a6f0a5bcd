package import StrataArchive
package import StrataModel

/// The layout of an index file: a header of 4 KiB, then sections of fixed-size records and heaps, all
/// numbers little-endian (docs/formats/layer-index.md).
package enum IndexLayout {
  package static let magic = Array("STRATALX".utf8)
  package static let version: UInt32 = 1
  package static let headerSize = 4096
  /// Sections begin at multiples of this.
  static let alignment = 64
  package static let sectionTable = 512
  package static let sectionRecordSize = 56
  package static let sectionLimit = 32
  /// The SHA-256 of all of the header before it.
  static let headerChecksum = headerSize - 32

  static let inodeSize = 80
  static let childSize = 12
  static let chunkSize = 64
  static let payloadSize = 32

  /// No payload, no attributes: of fields that hold a place.
  static let none = UInt32.max

  /// What a section holds; the numbers above 7 are kept for what is not made from a TOC.
  package enum Section: UInt32, CaseIterable, Sendable {
    case inodes = 1
    case children
    case names
    case xattrs
    case targets
    case chunks
    case payloads
    /// Of a plain gzip layer: where inflating can begin.
    case checkpoints
    /// Of a plain zstd layer.
    case frames
    /// The gzip'ed tar-split, as a layer store has it.
    case tarSplit

    /// The record's size, 1 for a heap.
    var recordSize: Int {
      switch self {
      case .inodes: IndexLayout.inodeSize
      case .children: IndexLayout.childSize
      case .chunks: IndexLayout.chunkSize
      case .payloads: IndexLayout.payloadSize
      default: 1
      }
    }
  }
}

/// Marks of an inode in an index.
package struct LayerFlags: OptionSet, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  /// A directory that hides all that lower layers have in it.
  package static let opaque = LayerFlags(rawValue: 1)
  /// A character device 0:0 that stands for a `.wh.` entry.
  package static let whiteout = LayerFlags(rawValue: 2)
  /// A directory that no row names, only rows below it.
  package static let implied = LayerFlags(rawValue: 4)
  /// The payload's digest is that of its only chunk.
  static let digestIsChunk = LayerFlags(rawValue: 8)
}

/// What is known of a layer besides its TOC's rows.
package struct LayerFacts: Sendable {
  package var form: ChunkedForm
  package var tocDigest: Digest
  /// The blob that the TOC was read from: a claim until the whole blob has been verified.
  package var blobDigest: Digest?
  package var blobSize: Int64
  /// Where the TOC lies in the blob.
  package var toc: BlobRange
  /// The digest of the plain tar, as the image's config claims it.
  package var diffID: Digest?
  /// The plain tar's size, where an annotation claims it.
  package var plainSize: Int64?

  package init(
    form: ChunkedForm, tocDigest: Digest, blobDigest: Digest?, blobSize: Int64, toc: BlobRange,
    diffID: Digest? = nil, plainSize: Int64? = nil
  ) {
    self.form = form
    self.tocDigest = tocDigest
    self.blobDigest = blobDigest
    self.blobSize = blobSize
    self.toc = toc
    self.diffID = diffID
    self.plainSize = plainSize
  }
}

/// Bounds of what an index may hold (lazy-design sections 4 and 8).
package enum LayerLimit {
  package static let nameBytes = 255
  package static let pathBytes = 4095
  package static let chunkBytes: Int64 = 64 << 20
  package static let xattrBytes = 64 << 10
  package static let children = 4 << 20
  /// Of the sizes of all files together.
  package static let totalBytes: Int64 = 1 << 40
}
