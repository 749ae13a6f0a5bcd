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

  /// The digest of everything.
  package mutating func finish() -> Digest { digest() }

  /// The SHA-256 digest of bytes that are all there.
  package static func digest(of bytes: [UInt8]) -> Digest {
    var digester = Digester()
    digester.update(bytes.rawSpan)
    return digester.finish()
  }
}
