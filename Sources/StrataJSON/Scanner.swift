/// Where and why bytes are not the JSON that was expected.
package struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What is wrong, without its place.
  package var message: String
  /// The byte at which it was noticed, from 0.
  package var offset: Int

  package init(_ message: String, at offset: Int) {
    self.message = message
    self.offset = offset
  }

  package var description: String { "\(message) at byte offset \(offset)" }
}

/// A cursor over JSON text that makes strings and numbers only where they are asked for.
///
/// It takes what Go's decoder takes: any white space, keys in any case (see `RecordSchema`), `null`
/// for any member, escapes of lone surrogates and invalid UTF-8 as U+FFFD. Nothing is recursive, so
/// that hostile nesting costs no stack.
package struct JSONScanner {
  /// The whole text.
  package let bytes: [UInt8]
  /// The next byte to look at.
  package var position: Int

  /// A cursor at an offset of the text.
  package init(_ bytes: [UInt8], at position: Int = 0) {
    self.bytes = bytes
    self.position = position
  }

  /// How deep values may nest: Go's decoder stops at the same depth.
  package static let maximumDepth = 10_000

  package func failure(_ message: String) -> JSONError {
    if position >= bytes.count { return JSONError("unexpected end of JSON input", at: bytes.count) }
    return JSONError(message, at: position)
  }

  /// The next byte that is no white space, not consumed; nil at the end.
  @inline(__always)
  package mutating func peek() -> UInt8? {
    while position < bytes.count {
      let byte = bytes[position]
      if byte > 0x20 { return byte }
      guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return byte }
      position += 1
    }
    return nil
  }

  /// Consumes `mark` if it comes next.
  @inline(__always)
  package mutating func skip(_ mark: UInt8) -> Bool {
    guard peek() == mark else { return false }
    position += 1
    return true
  }

  /// Consumes `mark`, which must come next.
  package mutating func expect(_ mark: UInt8) throws(JSONError) {
    guard skip(mark) else {
      throw failure("expected '\(Character(Unicode.Scalar(mark)))'")
    }
  }

  /// Consumes `null` if it comes next.
  package mutating func skipNull() throws(JSONError) -> Bool {
    guard peek() == UInt8(ascii: "n") else { return false }
    try word("null")
    return true
  }

  /// The text is over but for white space.
  package mutating func expectEnd() throws(JSONError) {
    if peek() != nil { throw failure("unexpected data after the value") }
  }

  /// `true` or `false`.
  package mutating func bool() throws(JSONError) -> Bool {
    if peek() == UInt8(ascii: "t") {
      try word("true")
      return true
    }
    guard peek() == UInt8(ascii: "f") else { throw failure("expected true or false") }
    try word("false")
    return false
  }

  /// A whole number within the bounds.
  package mutating func integer(_ bounds: ClosedRange<Int64>) throws(JSONError) -> Int64 {
    _ = peek()
    let start = position
    let negative = skip(UInt8(ascii: "-"))
    var value: Int64 = 0
    let digits = position
    while position < bytes.count, case let digit = bytes[position] &- 0x30, digit < 10 {
      let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) =
        negative
        ? shifted.subtractingReportingOverflow(Int64(digit))
        : shifted.addingReportingOverflow(Int64(digit))
      if overflow || carry { throw JSONError("number out of range", at: start) }
      value = sum
      position += 1
    }
    guard position > digits else { throw failure("expected a number") }
    if bytes[digits] == 0x30, position - digits > 1 {
      throw JSONError("number with a leading zero", at: start)
    }
    if position < bytes.count, bytes[position] == 0x2E || bytes[position] | 0x20 == 0x65 {
      throw JSONError("expected a whole number", at: start)
    }
    guard bounds.contains(value) else { throw JSONError("number out of range", at: start) }
    return value
  }

  /// Consumes one value of any kind and returns where it lies; its syntax is checked to the end.
  package mutating func skipValue() throws(JSONError) -> Range<Int> {
    _ = peek()
    let start = position
    // One byte for each container that is open: the mark that closes it.
    var open: [UInt8] = []
    repeat {
      if try !skipToken(&open) { continue }
      // A value has ended: what may follow depends on what is open.
      while let closing = open.last {
        if skip(closing) {
          open.removeLast()
          continue
        }
        guard skip(UInt8(ascii: ",")) else { throw failure("expected ',' or a closing bracket") }
        if closing == UInt8(ascii: "}") { try skipKey() }
        break
      }
    } while !open.isEmpty
    return start..<position
  }

  /// Consumes a scalar or an empty container (true), or the start of a filled container (false).
  private mutating func skipToken(_ open: inout [UInt8]) throws(JSONError) -> Bool {
    switch peek() {
    case UInt8(ascii: "{"):
      position += 1
      if skip(UInt8(ascii: "}")) { return true }
      open.append(UInt8(ascii: "}"))
      try skipKey()
    case UInt8(ascii: "["):
      position += 1
      if skip(UInt8(ascii: "]")) { return true }
      open.append(UInt8(ascii: "]"))
    case UInt8(ascii: "\""):
      _ = try stringRange()
      return true
    case UInt8(ascii: "t"):
      try word("true")
      return true
    case UInt8(ascii: "f"):
      try word("false")
      return true
    case UInt8(ascii: "n"):
      try word("null")
      return true
    default:
      _ = try number()
      return true
    }
    if open.count > Self.maximumDepth { throw failure("exceeded max depth") }
    return false
  }

  private mutating func skipKey() throws(JSONError) {
    guard peek() == UInt8(ascii: "\"") else { throw failure("expected a member's name") }
    _ = try stringRange()
    try expect(UInt8(ascii: ":"))
  }

  private mutating func word(_ text: StaticString) throws(JSONError) {
    for scalar in text.description.utf8 {
      guard position < bytes.count, bytes[position] == scalar else {
        throw failure("invalid character in \(text)")
      }
      position += 1
    }
  }
}
