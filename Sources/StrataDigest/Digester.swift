package import StrataModel
import StrataSystem

import struct Crypto.SHA256
import struct Crypto.SHA384
import struct Crypto.SHA512

/// A digest of bytes that come in pieces: SHA-256 unless a promise is to be checked that was made in
/// another algorithm.
package struct Digester {
  private enum Hash {
    case sha256(SHA256)
    case sha384(SHA384)
    case sha512(SHA512)
  }

  private var hash: Hash

  package init(_ algorithm: Digest.Algorithm = .sha256) {
    hash =
      switch algorithm {
      case .sha256: .sha256(SHA256())
      case .sha384: .sha384(SHA384())
      case .sha512: .sha512(SHA512())
      }
  }

  /// Takes the next piece.
  package mutating func update(_ bytes: RawSpan) {
    unsafe bytes.withUnsafeBytes { memory in
      switch hash {
      case .sha256(var state):
        unsafe state.update(bufferPointer: memory)
        hash = .sha256(state)
      case .sha384(var state):
        unsafe state.update(bufferPointer: memory)
        hash = .sha384(state)
      case .sha512(var state):
        unsafe state.update(bufferPointer: memory)
        hash = .sha512(state)
      }
    }
  }

  /// The digest of what came so far; more may follow.
  package func digest() -> Digest {
    switch hash {
    case .sha256(let state): Digest(.sha256, bytes: state.finalize())
    case .sha384(let state): Digest(.sha384, bytes: state.finalize())
    case .sha512(let state): Digest(.sha512, bytes: state.finalize())
    }
  }

  /// The SHA-256 value of what came so far; nil for another algorithm.
  package func sha256() -> SHA256Value? {
    guard case .sha256(let state) = hash else { return nil }
    return SHA256Value(bytes: Array(state.finalize()))
  }

  /// The SHA-256 value of bytes that are all there.
  package static func sha256(of bytes: RawSpan) -> SHA256Value {
    var state = SHA256()
    unsafe bytes.withUnsafeBytes { unsafe state.update(bufferPointer: $0) }
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    for byte in state.finalize() {
      words.0 = words.0 << 8 | words.1 >> 56
      words.1 = words.1 << 8 | words.2 >> 56
      words.2 = words.2 << 8 | words.3 >> 56
      words.3 = words.3 << 8 | UInt64(byte)
    }
    return SHA256Value(words: words)
  }

  /// The digest of everything.
  package mutating func finish() -> Digest { digest() }

  /// The SHA-256 digest of bytes that are all there.
  package static func digest(of bytes: [UInt8]) -> Digest {
    var digester = Digester()
    digester.update(bytes.rawSpan)
    return digester.finish()
  }
}
