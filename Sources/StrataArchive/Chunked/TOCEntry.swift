package import StrataModel

/// One row of a TOC as its JSON has it: nothing is checked but the types of its members.
///
/// Missing members are zero, as both peers take them. eStargz: docs/estargz.md, "TOCEntries";
/// zstd:chunked: containers/storage pkg/chunked/internal, `FileMetadata`.
package struct TOCEntry: Sendable {
  package enum Kind: Sendable {
    case directory, regular, symlink, hardLink, characterDevice, blockDevice, fifo
    /// A further piece of the file in the rows above.
    case chunk
  }

  package var kind = Kind.regular
  /// The name as the TOC has it, with `./` or a slash at its ends if it writes those.
  package var name: [UInt8] = []
  package var linkName: [UInt8] = []
  package var size: Int64 = 0
  package var modificationTime = TarHeader.Time(seconds: 0)
  /// The bits of a tar header.
  package var mode: Int64 = 0
  package var uid: Int64 = 0
  package var gid: Int64 = 0
  package var deviceMajor: Int64 = 0
  package var deviceMinor: Int64 = 0
  package var xattrs: [TarHeader.Xattr] = []
  /// Where the chunk's gzip member or zstd frame begins in the blob.
  package var offset: Int64 = 0
  /// Where the chunk begins in that member's plain bytes (eStargz with small files put together).
  package var innerOffset: Int64 = 0
  /// The byte behind the frame (zstd:chunked); 0 where it is not said.
  package var endOffset: Int64 = 0
  /// Of the whole file.
  package var digest: SHA256Value?
  package var chunkOffset: Int64 = 0
  /// 0: up to the file's end.
  package var chunkSize: Int64 = 0
  package var chunkDigest: SHA256Value?
  /// The chunk is zeros that have no frame in the blob.
  package var isHole = false

  package init() {}

  /// The name for people.
  package var displayName: String { String(decoding: name, as: UTF8.self) }
}
