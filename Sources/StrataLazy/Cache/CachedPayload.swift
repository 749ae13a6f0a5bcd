import StrataDigest
import StrataModel
package import StrataSystem

/// The whole content of a file in the cache: verified, never written again.
///
/// It stays readable after the cache has let it go, as long as this object lives.
package final class CachedPayload: Sendable {
  /// Open for reading; may be handed to other processes.
  package let descriptor: SharedDescriptor
  package let size: Int64

  init(_ file: consuming FileDescriptorOwner, size: Int64) {
    descriptor = SharedDescriptor(file)
    self.size = size
  }

  /// Up to `count` bytes from an offset; fewer only at the end.
  package func bytes(_ count: Int, at offset: Int64) throws(Errno) -> [UInt8] {
    let descriptor = descriptor
    return try descriptor.view.bytes(count, at: offset)
  }
}

extension LayerIndex {
  /// The name of an entry's content in a cache; nil where it has none.
  func payloadKey(of entry: UInt32) -> SHA256Value? {
    let range = chunks(of: entry)
    guard let place = place(of: entry), !range.isEmpty else { return nil }
    return payloadDigest(place, firstChunk: range.lowerBound)
      ?? Payload.unsharedKey(header.facts.tocDigest, entry)
  }
}

extension Payload {
  /// The name of the content in a cache: its digest, or one of the layer and the entry where the TOC
  /// gives none, so that it is shared with nobody.
  var key: SHA256Value {
    digest ?? Self.unsharedKey(layer, entry)
  }

  static func unsharedKey(_ layer: Digest, _ entry: UInt32) -> SHA256Value {
    Digester.sha256(of: Array("\(layer)/\(entry)".utf8).rawSpan)
  }

  /// How the content is cut: partial content is shared only among layers that cut it the same way and
  /// promise the same pieces, since each piece is verified by its own digest alone.
  var layout: SHA256Value {
    var bytes = key.bytes
    for chunk in chunks {
      bytes.append(little: chunk.length)
      bytes.append(chunk.isHole ? 1 : 0)
      bytes.append(chunk.digest)
    }
    return Digester.sha256(of: bytes.rawSpan)
  }

  /// Whether it is kept as one file from the start, since one chunk is all of it.
  var isInOnePiece: Bool { chunks.count == 1 && !chunks[0].isHole }

  /// Whether its only chunk's digest is that of the whole.
  var isOneChunk: Bool { chunks.count == 1 && !chunks[0].isHole && digest == chunks[0].digest }
}
