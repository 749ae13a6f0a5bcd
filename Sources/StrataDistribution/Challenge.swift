/// What a registry wants to see before it answers: one challenge of a `WWW-Authenticate` header
/// (RFC 9110, 11.6.1).
package struct Challenge: Sendable, Hashable {
  /// In lower case: `bearer`, `basic`.
  package var scheme: String
  /// By name in lower case.
  package var parameters: [String: String]

  package init(scheme: String, parameters: [String: String] = [:]) {
    self.scheme = scheme
    self.parameters = parameters
  }

  /// The challenges of a header's value; several may stand in one, parted by commas like their own
  /// parameters are.
  ///
  /// What is no challenge is passed over: it comes from outside and nothing depends on it.
  package static func parse(_ text: String) -> [Challenge] {
    var scanner = Scanner(Array(text.utf8))
    var result: [Challenge] = []
    while let word = scanner.word() {
      if scanner.take(UInt8(ascii: "=")) {
        let value = scanner.value()
        guard !result.isEmpty else { continue }
        result[result.count - 1].parameters[word.lowercased()] = value
      } else {
        result.append(Challenge(scheme: word.lowercased()))
      }
    }
    return result
  }
}

/// Takes a header's value apart into words, signs and quoted texts.
private struct Scanner {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// The next token, past blanks and commas; nil at the end.
  mutating func word() -> String? {
    while position < bytes.count {
      let start = position
      while position < bytes.count, Self.isToken(bytes[position]) { position += 1 }
      if position > start { return String(decoding: bytes[start..<position], as: UTF8.self) }
      position += 1
    }
    return nil
  }

  /// Whether this sign comes next, past blanks; then it is passed.
  mutating func take(_ sign: UInt8) -> Bool {
    var next = position
    while next < bytes.count, bytes[next] == UInt8(ascii: " ") { next += 1 }
    guard next < bytes.count, bytes[next] == sign else { return false }
    position = next + 1
    return true
  }

  /// A token or a quoted text.
  mutating func value() -> String {
    while position < bytes.count, bytes[position] == UInt8(ascii: " ") { position += 1 }
    guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
      let start = position
      while position < bytes.count, Self.isToken(bytes[position]) { position += 1 }
      return String(decoding: bytes[start..<position], as: UTF8.self)
    }
    position += 1
    var text: [UInt8] = []
    while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
      if bytes[position] == UInt8(ascii: "\\"), position + 1 < bytes.count { position += 1 }
      text.append(bytes[position])
      position += 1
    }
    position += 1
    return String(decoding: text, as: UTF8.self)
  }

  private static func isToken(_ byte: UInt8) -> Bool {
    byte > 0x20 && byte < 0x7F && !"()<>@,;:\\\"/[]?={}".utf8.contains(byte)
  }
}
