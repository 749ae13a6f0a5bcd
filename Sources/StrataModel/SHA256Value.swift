/// The 32 bytes of a SHA-256 value without heap memory: tables of contents and indexes hold millions.
public struct SHA256Value: Hashable, Sendable, CustomStringConvertible {
  /// The bytes, eight to a word, the first in the highest place.
  package let words: (UInt64, UInt64, UInt64, UInt64)

  package init(words: (UInt64, UInt64, UInt64, UInt64)) {
    self.words = words
  }

  /// A value of its bytes; nil where they are not 32.
  public init?(bytes: some Collection<UInt8>) {
    guard bytes.count == 32 else { return nil }
    var parts: [UInt64] = [0, 0, 0, 0]
    for (index, byte) in bytes.enumerated() {
      parts[index / 8] = parts[index / 8] << 8 | UInt64(byte)
    }
    words = (parts[0], parts[1], parts[2], parts[3])
  }

  /// A value of `sha256:` and 64 lower-case hex digits; nil where the text is anything else.
  package init?(ascii text: ArraySlice<UInt8>) {
    guard text.count == 71, text.starts(with: "sha256:".utf8) else { return nil }
    self.init(hex: text.dropFirst(7))
  }

  /// A value of 64 lower-case hex digits; nil where the text is anything else.
  package init?(hex: ArraySlice<UInt8>) {
    guard hex.count == 64 else { return nil }
    var parts: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    for digit in hex {
      let value: UInt64
      switch digit {
      case 0x30...0x39: value = UInt64(digit - 0x30)
      case 0x61...0x66: value = UInt64(digit - 0x57)
      default: return nil
      }
      parts.0 = parts.0 << 4 | parts.1 >> 60
      parts.1 = parts.1 << 4 | parts.2 >> 60
      parts.2 = parts.2 << 4 | parts.3 >> 60
      parts.3 = parts.3 << 4 | value
    }
    words = parts
  }

  /// The value of a SHA-256 digest; nil for one of another algorithm.
  public init?(_ digest: Digest) {
    guard digest.algorithm == .sha256 else { return nil }
    self.init(hex: Array(digest.hex.utf8)[...])
  }

  /// The bytes.
  public var bytes: [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(32)
    for word in [words.0, words.1, words.2, words.3] {
      for shift in stride(from: UInt64(56), through: 0, by: -8) {
        result.append(UInt8(truncatingIfNeeded: word >> shift))
      }
    }
    return result
  }

  /// 64 lower-case hex digits: a name in a cache.
  public var hex: String { hexText(bytes) }

  /// The digest with its algorithm's name.
  public var digest: Digest { Digest(sha256: bytes) }

  /// `sha256:` and the hex digits.
  public var description: String { "sha256:\(hex)" }

  /// Whether all bytes are the same.
  public static func == (left: SHA256Value, right: SHA256Value) -> Bool {
    left.words == right.words
  }

  /// One word is as good as all four: they are a hash already.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(words.0)
    hasher.combine(words.3)
  }
}
