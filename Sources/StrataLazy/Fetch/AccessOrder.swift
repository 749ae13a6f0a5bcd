import StrataDigest
import StrataModel
import StrataSystem

/// The chunks of a layer in the order in which a recorded run of its image first read them.
///
/// File `order` beside the index: magic `STRATAAO`, version and count of 4 bytes each, the chunks'
/// numbers of 4 bytes each, and the first 8 bytes of the SHA-256 of all that; little-endian. A damaged
/// one is as good as none.
enum AccessOrder {
  private static let magic = Array("STRATAAO".utf8)
  private static let version: UInt32 = 1
  /// More than a start ever reads: 4 MiB of numbers.
  static let limit = 1 << 20

  static func encoded(_ numbers: [Int]) -> [UInt8] {
    var bytes = magic
    bytes.append(little: version)
    bytes.append(little: UInt32(min(numbers.count, limit)))
    for number in numbers.prefix(limit) { bytes.append(little: UInt32(truncatingIfNeeded: number)) }
    return bytes + Digester.sha256(of: bytes.rawSpan).bytes.prefix(8)
  }

  /// The numbers in a file's bytes; nil where they are damaged.
  static func decoded(_ bytes: [UInt8]) -> [Int]? {
    guard bytes.count >= 24, bytes.starts(with: magic) else { return nil }
    func number(at place: Int) -> UInt32 {
      bytes[place..<(place + 4)].reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }
    let count = Int(number(at: 12))
    let content = Array(bytes.dropLast(8))
    guard number(at: 8) == version, count <= limit, content.count == 16 + 4 * count,
      Digester.sha256(of: content.rawSpan).bytes.prefix(8).elementsEqual(bytes.suffix(8))
    else { return nil }
    return (0..<count).map { Int(number(at: 16 + 4 * $0)) }
  }

  /// What was recorded of a layer; nil where nothing was.
  static func read(_ folder: RawPath) -> [Int]? {
    let bytes = try? FileDescriptor.workingDirectory.contents(
      of: folder.appending("order"), limit: 24 + 4 * limit)
    return bytes.flatMap(decoded)
  }
}
