package import StrataArchive
package import StrataModel

/// A piece of a file's content, where its compressed bytes lie and what its plain ones must be.
package struct LayerChunk: Sendable, Hashable {
  /// Where it stands in the file.
  package var fileOffset: Int64
  /// How many plain bytes it has; at most 64 MiB where it is no hole.
  package var length: Int64
  /// The bytes of the blob that are enough to make it: may end behind its member or within, never
  /// before what is needed.
  package var extent: BlobRange
  /// How many plain bytes of the member come before it.
  package var innerOffset: Int
  /// Of the plain bytes; without meaning for a hole.
  package var digest: SHA256Value

  package init(
    fileOffset: Int64, length: Int64, extent: BlobRange, innerOffset: Int, digest: SHA256Value
  ) {
    self.fileOffset = fileOffset
    self.length = length
    self.extent = extent
    self.innerOffset = innerOffset
    self.digest = digest
  }

  /// Zeros that the blob does not hold.
  package var isHole: Bool { extent.length == 0 }
}

/// The content of a file as the cache keeps it.
package struct Payload: Sendable {
  /// Of the whole; nil where the TOC says none, which no sound writer's does.
  package var digest: SHA256Value?
  package var size: Int64
  /// The layer's TOC digest and the entry: the name of a payload that has no digest.
  package var layer: Digest
  package var entry: UInt32
  /// In the order of the file's bytes, without gaps.
  package var chunks: [LayerChunk]

  package init(
    digest: SHA256Value?, size: Int64, layer: Digest, entry: UInt32, chunks: [LayerChunk]
  ) {
    self.digest = digest
    self.size = size
    self.layer = layer
    self.entry = entry
    self.chunks = chunks
  }
}
