import StrataSystem

/// One line of a tar-split file (storage-format 5.2).
struct TarSplitEntry {
  /// 1: a file; 2: a segment.
  var type: Int64 = 0
  var name: [UInt8] = []
  var size: Int64 = 0
  /// The bytes of a segment, or the checksum of a file.
  var payload: [UInt8] = []

  /// Reads a line; nil where it is no JSON object or a member has the wrong type.
  init?(_ line: [UInt8]) {
    var reader = LineReader(line)
    guard reader.skip("{") else { return nil }
    if reader.skip("}") { return }
    repeat {
      guard let key = reader.string(), reader.skip(":") else { return nil }
      switch String(decoding: key, as: UTF8.self) {
      case "type":
        guard let number = reader.number() else { return nil }
        type = number
      case "size":
        guard let number = reader.number(), number >= 0 else { return nil }
        size = number
      case "name":
        guard let text = reader.string() else { return nil }
        name = text
      case "name_raw":
        name = []
        guard reader.base64(into: &name) else { return nil }
      case "payload":
        guard reader.skip("null") || reader.base64(into: &payload) else { return nil }
      default: guard reader.skipValue() else { return nil }
      }
    } while reader.skip(",")
    guard reader.skip("}"), reader.isAtEnd else { return nil }
  }
}

/// A cursor over one line of JSON.
private struct LineReader {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  private mutating func skipSpace() {
    while position < bytes.count, [0x20, 0x09, 0x0d, 0x0a].contains(bytes[position]) {
      position += 1
    }
  }

  var isAtEnd: Bool {
    mutating get {
      skipSpace()
      return position == bytes.count
    }
  }

  mutating func skip(_ mark: String) -> Bool {
    skipSpace()
    guard bytes[position...].starts(with: mark.utf8) else { return false }
    position += mark.utf8.count
    return true
  }

  mutating func number() -> Int64? {
    skipSpace()
    let start = position
    while position < bytes.count, bytes[position] == 0x2d || (0x30...0x39).contains(bytes[position])
    {
      position += 1
    }
    return PaxRecords.decimal(bytes[start..<position])
  }

  /// The raw text between two quotes, escapes still in it.
  private mutating func quoted() -> ArraySlice<UInt8>? {
    guard skip("\"") else { return nil }
    let start = position
    while position < bytes.count {
      switch bytes[position] {
      case 0x22:
        position += 1
        return bytes[start..<(position - 1)]
      case 0x5c: position += 2
      default: position += 1
      }
    }
    return nil
  }

  mutating func string() -> [UInt8]? {
    guard let text = quoted() else { return nil }
    if !text.contains(0x5c) { return Array(text) }
    var result: [UInt8] = []
    var rest = text
    while let byte = rest.popFirst() {
      if byte != 0x5c {
        result.append(byte)
        continue
      }
      switch rest.popFirst() {
      case UInt8(ascii: "n"): result.append(0x0a)
      case UInt8(ascii: "t"): result.append(0x09)
      case UInt8(ascii: "r"): result.append(0x0d)
      case UInt8(ascii: "b"): result.append(0x08)
      case UInt8(ascii: "f"): result.append(0x0c)
      case UInt8(ascii: "u"):
        guard let scalar = Self.scalar(&rest) else { return nil }
        result.append(contentsOf: String(Character(scalar)).utf8)
      case .some(let mark): result.append(mark)
      case nil: return nil
      }
    }
    return result
  }

  /// The scalar behind `\u`, of two escapes where it lies beyond the first plane.
  private static func scalar(_ rest: inout ArraySlice<UInt8>) -> Unicode.Scalar? {
    guard let first = hex(&rest) else { return nil }
    guard (0xd800..<0xdc00).contains(first) else { return Unicode.Scalar(first) }
    guard rest.popFirst() == 0x5c, rest.popFirst() == UInt8(ascii: "u"), let second = hex(&rest),
      (0xdc00..<0xe000).contains(second)
    else { return nil }
    return Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
  }

  private static func hex(_ rest: inout ArraySlice<UInt8>) -> UInt32? {
    guard rest.count >= 4 else { return nil }
    let digits = rest.prefix(4)
    rest = rest.dropFirst(4)
    return UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
  }

  mutating func base64(into target: inout [UInt8]) -> Bool {
    guard let text = quoted() else { return false }
    return target.appendDecoded(base64: text)
  }

  /// Skips a value of any type; nothing is nested in this format.
  mutating func skipValue() -> Bool {
    if skip("true") || skip("false") || skip("null") { return true }
    skipSpace()
    if position < bytes.count, bytes[position] == 0x22 { return quoted() != nil }
    return number() != nil
  }
}
