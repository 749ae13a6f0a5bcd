// Strings, numbers and containers of `JSONScanner`.

extension JSONScanner {
  /// A number of any form, as its text.
  package mutating func number() throws(JSONError) -> Range<Int> {
    _ = peek()
    let start = position
    if position < bytes.count, bytes[position] == UInt8(ascii: "-") { position += 1 }
    let whole = digits()
    guard whole > 0 else { throw failure("invalid character at the start of a value") }
    if whole > 1, bytes[position - whole] == UInt8(ascii: "0") {
      throw JSONError("number with a leading zero", at: start)
    }
    if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
      position += 1
      guard digits() > 0 else { throw failure("expected a digit after the decimal point") }
    }
    if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
      position += 1
      if position < bytes.count, bytes[position] == 0x2B || bytes[position] == 0x2D {
        position += 1
      }
      guard digits() > 0 else { throw failure("expected a digit in the exponent") }
    }
    return start..<position
  }

  private mutating func digits() -> Int {
    let start = position
    while position < bytes.count, bytes[position] &- 0x30 < 10 { position += 1 }
    return position - start
  }

  /// Consumes a string and returns the range between its quotes and whether it holds escapes.
  package mutating func stringRange() throws(JSONError) -> (range: Range<Int>, escaped: Bool) {
    guard peek() == UInt8(ascii: "\"") else { throw failure("expected a string") }
    let start = position + 1
    let (end, escaped) = try closingQuote(start)
    position = end + 1
    return (start..<end, escaped)
  }

  /// Where the string that begins at `start` ends, and whether it holds escapes.
  private func closingQuote(_ start: Int) throws(JSONError) -> (Int, Bool) {
    var index = start
    var escaped = false
    let span = bytes.span
    while index < span.count {
      let byte = span[index]
      if byte == UInt8(ascii: "\"") { return (index, escaped) }
      if byte < 0x20 { throw JSONError("invalid control character in string", at: index) }
      if byte == UInt8(ascii: "\\") {
        escaped = true
        index = try escapeEnd(index)
      } else {
        index += 1
      }
    }
    throw JSONError("unexpected end of JSON input", at: bytes.count)
  }

  /// The end of the escape that starts at `index`, whose form is checked.
  private func escapeEnd(_ index: Int) throws(JSONError) -> Int {
    guard index + 1 < bytes.count else {
      throw JSONError("unexpected end of JSON input", at: bytes.count)
    }
    switch bytes[index + 1] {
    case UInt8(ascii: "u"):
      guard hexQuad(index + 2) != nil else {
        throw JSONError("invalid character in \\u escape", at: index)
      }
      return index + 6
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
      UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      return index + 2
    default: throw JSONError("invalid escape in string", at: index)
    }
  }

  /// A string with its escapes taken out.
  package mutating func string() throws(JSONError) -> String {
    let (range, escaped) = try stringRange()
    return escaped ? unescaped(range) : String(decoding: bytes[range], as: UTF8.self)
  }

  /// The text of a range whose escapes were checked by `stringRange`.
  package func unescaped(_ range: Range<Int>) -> String {
    var text: [UInt8] = []
    text.reserveCapacity(range.count)
    var index = range.lowerBound
    while index < range.upperBound {
      let byte = bytes[index]
      guard byte == UInt8(ascii: "\\"), index + 1 < range.upperBound else {
        text.append(byte)
        index += 1
        continue
      }
      index += 2
      switch bytes[index - 1] {
      case UInt8(ascii: "b"): text.append(0x08)
      case UInt8(ascii: "f"): text.append(0x0C)
      case UInt8(ascii: "n"): text.append(0x0A)
      case UInt8(ascii: "r"): text.append(0x0D)
      case UInt8(ascii: "t"): text.append(0x09)
      case UInt8(ascii: "u"): text.append(contentsOf: String(codePoint(&index)).utf8)
      case let other: text.append(other)
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  /// The character of the `\u` escape whose digits start at `index`, with its low surrogate.
  private func codePoint(_ index: inout Int) -> Unicode.Scalar {
    let replacement: Unicode.Scalar = "\u{FFFD}"
    guard let first = hexQuad(index) else { return replacement }
    index += 4
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xDC00, index + 1 < bytes.count, bytes[index] == UInt8(ascii: "\\"),
      bytes[index + 1] == UInt8(ascii: "u"), let second = hexQuad(index + 2),
      (0xDC00...0xDFFF).contains(second)
    else { return replacement }
    index += 6
    return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)) ?? replacement
  }

  private func hexQuad(_ index: Int) -> UInt32? {
    guard index + 4 <= bytes.count else { return nil }
    var value: UInt32 = 0
    for byte in bytes[index..<(index + 4)] {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt32(byte - 0x30)
      case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt32(byte - 0x57)
      case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt32(byte - 0x37)
      default: return nil
      }
    }
    return value
  }
}

/// The place of a member's name in the text.
package struct JSONKey {
  /// Between the quotes.
  package var range: Range<Int>
  package var escaped: Bool
}

extension JSONScanner {
  /// The next member's name, consumed with its colon; nil at the end of the object, consumed too.
  ///
  /// `first` says whether the object has only been opened, and is cleared.
  package mutating func nextKey(_ first: inout Bool) throws(JSONError) -> JSONKey? {
    if skip(UInt8(ascii: "}")) { return nil }
    if !first {
      guard skip(UInt8(ascii: ",")) else { throw failure("expected ',' or '}'") }
    }
    first = false
    guard peek() == UInt8(ascii: "\"") else { throw failure("expected a member's name") }
    let (range, escaped) = try stringRange()
    try expect(UInt8(ascii: ":"))
    return JSONKey(range: range, escaped: escaped)
  }

  /// Whether another element follows; the comma, or the closing bracket, is consumed.
  package mutating func nextElement(_ first: inout Bool) throws(JSONError) -> Bool {
    if skip(UInt8(ascii: "]")) { return false }
    if !first {
      guard skip(UInt8(ascii: ",")) else { throw failure("expected ',' or ']'") }
    }
    first = false
    return true
  }

  /// The text of a member's name.
  package func text(_ key: JSONKey) -> String {
    key.escaped ? unescaped(key.range) : String(decoding: bytes[key.range], as: UTF8.self)
  }

  /// A list of strings; `null` is the empty list.
  package mutating func strings() throws(JSONError) -> [String] {
    if try skipNull() { return [] }
    try expect(UInt8(ascii: "["))
    var result: [String] = []
    var first = true
    while try nextElement(&first) { result.append(try string()) }
    return result
  }
}
