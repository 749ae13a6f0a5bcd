/// Builds JSON text in the spelling of Go's encoder: one line, no spaces.
package struct JSONWriter {
  /// The text so far.
  package var bytes: [UInt8] = []
  /// Whether `<`, `>` and `&` are escaped, as Go does unless it is told not to.
  private let escapesHTML: Bool
  /// Whether the next member or element needs no comma before it.
  private var isFirst = true

  package init(escapesHTML: Bool = true) {
    self.escapesHTML = escapesHTML
  }

  package mutating func beginObject() { open(UInt8(ascii: "{")) }
  package mutating func endObject() { close(UInt8(ascii: "}")) }
  package mutating func beginArray() { open(UInt8(ascii: "[")) }
  package mutating func endArray() { close(UInt8(ascii: "]")) }

  private mutating func open(_ mark: UInt8) {
    bytes.append(mark)
    isFirst = true
  }

  private mutating func close(_ mark: UInt8) {
    bytes.append(mark)
    isFirst = false
  }

  /// The comma before an element; call it before each element of an array.
  package mutating func separate() {
    if !isFirst { bytes.append(UInt8(ascii: ",")) }
    isFirst = false
  }

  /// A member's name; its value must follow.
  package mutating func name(_ name: String) {
    separate()
    string(name)
    bytes.append(UInt8(ascii: ":"))
  }

  /// A string in quotes.
  ///
  /// Control characters, quotes, U+2028 and U+2029 are escaped.
  package mutating func string(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    let start = bytes.count
    bytes.append(contentsOf: text.utf8)
    // Nearly all strings of a store need no escape: they are copied whole and looked through once.
    if let first = bytes[start...].firstIndex(where: needsLook) {
      let rest = Array(bytes[first...])
      bytes.removeLast(rest.count)
      escape(rest)
    }
    bytes.append(UInt8(ascii: "\""))
  }

  /// Whether a byte may have to be escaped: E2 begins the two separators of lines and paragraphs.
  private func needsLook(_ byte: UInt8) -> Bool {
    switch byte {
    case 0..<0x20, UInt8(ascii: "\""), UInt8(ascii: "\\"), 0xE2: true
    case UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"): escapesHTML
    default: false
    }
  }

  private mutating func escape(_ text: [UInt8]) {
    // The two separators are E2 80 A8 and E2 80 A9 in UTF-8.
    var tail: (UInt8, UInt8) = (0, 0)
    for byte in text {
      if byte | 1 == 0xA9, tail == (0xE2, 0x80) {
        bytes.removeLast(2)
        bytes.append(contentsOf: (byte == 0xA8 ? "\\u2028" : "\\u2029").utf8)
      } else {
        escape(byte)
      }
      tail = (tail.1, byte)
    }
  }

  private mutating func escape(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"):
      bytes.append(UInt8(ascii: "\\"))
      bytes.append(byte)
    case 0x0A: bytes.append(contentsOf: "\\n".utf8)
    case 0x0D: bytes.append(contentsOf: "\\r".utf8)
    case 0x09: bytes.append(contentsOf: "\\t".utf8)
    case 0..<0x20: escapeAsHex(byte)
    case UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"):
      if escapesHTML { escapeAsHex(byte) } else { bytes.append(byte) }
    default: bytes.append(byte)
    }
  }

  private mutating func escapeAsHex(_ byte: UInt8) {
    bytes.append(contentsOf: "\\u00".utf8)
    for digit in [byte >> 4, byte & 15] {
      bytes.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
    }
  }

  package mutating func integer(_ value: some BinaryInteger) {
    bytes.append(contentsOf: String(value).utf8)
  }

  package mutating func bool(_ value: Bool) {
    bytes.append(contentsOf: (value ? "true" : "false").utf8)
  }

  /// Text that is JSON already.
  package mutating func raw(_ json: some Sequence<UInt8>) {
    bytes.append(contentsOf: json)
  }
}

// Members as `omitempty` writes them: nothing for a value that is empty.
extension JSONWriter {
  package mutating func member(_ name: String, nonEmpty text: String) {
    if text.isEmpty { return }
    self.name(name)
    string(text)
  }

  package mutating func member(_ name: String, nonEmpty texts: [String]) {
    if texts.isEmpty { return }
    self.name(name)
    strings(texts)
  }

  package mutating func member(_ name: String, nonZero value: some BinaryInteger) {
    if value == 0 { return }
    self.name(name)
    integer(value)
  }

  package mutating func strings(_ texts: [String]) {
    beginArray()
    for text in texts {
      separate()
      string(text)
    }
    endArray()
  }
}
