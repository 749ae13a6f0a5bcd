/// The algorithm and value of a digest, spelled `sha256:<64 hex digits>`.
///
/// Strata computes SHA-256 alone; SHA-384 and SHA-512 are read and kept, as the OCI image
/// specification registers them. The spelling is that of go-digest.
public struct Digest: Hashable, Sendable, Comparable, CustomStringConvertible {
  /// A registered digest algorithm.
  public enum Algorithm: String, Sendable, CaseIterable {
    case sha256, sha384, sha512

    /// The number of hex digits.
    public var hexLength: Int {
      switch self {
      case .sha256: 64
      case .sha384: 96
      case .sha512: 128
      }
    }
  }

  /// Why a text is no digest; `description` is the text that Go prints.
  public enum ParseError: Error, Sendable, CustomStringConvertible {
    case format, unsupportedAlgorithm, length

    /// The text that Go prints.
    public var description: String {
      switch self {
      case .format: "invalid checksum digest format"
      case .unsupportedAlgorithm: "unsupported digest algorithm"
      case .length: "invalid checksum digest length"
      }
    }
  }

  /// The algorithm.
  public let algorithm: Algorithm
  /// The value in lower-case hex digits.
  public let hex: String

  /// A SHA-256 digest of its 32 bytes.
  public init<Bytes: Sequence<UInt8>>(sha256 bytes: Bytes) {
    algorithm = .sha256
    hex = hexText(bytes)
  }

  /// A digest of its bytes, which must be as many as the algorithm gives.
  public init<Bytes: Sequence<UInt8>>(_ algorithm: Algorithm, bytes: Bytes) {
    self.algorithm = algorithm
    hex = hexText(bytes)
  }

  /// Reads `algorithm:hex`; the hex digits must be lower case and of the algorithm's length.
  public init(_ text: some StringProtocol) throws(ParseError) {
    guard let colon = text.firstIndex(of: ":") else { throw .format }
    let name = text[..<colon]
    let value = text[text.index(after: colon)...]
    guard !name.isEmpty, !value.isEmpty else { throw .format }
    guard let algorithm = Algorithm(rawValue: String(name)) else { throw .unsupportedAlgorithm }
    guard value.utf8.count == algorithm.hexLength else { throw .length }
    guard value.utf8.allSatisfy(isLowerHex) else { throw .format }
    self.algorithm = algorithm
    hex = String(value)
  }

  /// As above from the bytes of a record, without a detour through a `String`; nil if they are none.
  package init?(ascii bytes: ArraySlice<UInt8>) {
    let text = bytes.span
    guard text.count == 71, text[0] == UInt8(ascii: "s"), text[1] == UInt8(ascii: "h"),
      text[2] == UInt8(ascii: "a"), text[3] == UInt8(ascii: "2"), text[4] == UInt8(ascii: "5"),
      text[5] == UInt8(ascii: "6"), text[6] == UInt8(ascii: ":")
    else {
      guard let digest = try? Digest(String(decoding: bytes, as: UTF8.self)) else { return nil }
      self = digest
      return
    }
    for offset in 7..<text.count where !isLowerHex(text[offset]) { return nil }
    algorithm = .sha256
    hex = String(decoding: bytes.dropFirst(7), as: UTF8.self)
  }

  /// `algorithm:hex`.
  public var description: String { "\(algorithm.rawValue):\(hex)" }

  /// Ordered by their spelling.
  public static func < (left: Digest, right: Digest) -> Bool {
    left.description < right.description
  }

  /// SHA-256 of no bytes.
  public static let ofNothing = Digest(
    sha256: [
      0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9,
      0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52,
      0xb8, 0x55,
    ])
}

/// Lower-case hex digits of bytes.
public func hexText<Bytes: Sequence<UInt8>>(_ bytes: Bytes) -> String {
  let digits = Array("0123456789abcdef".utf8)
  var text: [UInt8] = []
  for byte in bytes {
    text.append(digits[Int(byte >> 4)])
    text.append(digits[Int(byte & 15)])
  }
  return String(decoding: text, as: UTF8.self)
}

private func isLowerHex(_ byte: UInt8) -> Bool {
  (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
}
