import StrataSystem

/// The bytes of an `-o` argument taken apart.
///
/// Escapes are taken off only after splitting.
///
/// libfuse, mount(8) and the kernel's overlay each take one backslash off, and callers add one for
/// each reader they know of: so one or two backslashes before `,` or `:` make it a plain character
/// (overlay-semantics, "Escapes measured"). Any other backslash stands for the byte behind it.
enum OptionText {
  /// The items between commas; commas inside `name="…"` do not split, as SELinux labels hold them.
  static func items(_ text: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
    var result: [ArraySlice<UInt8>] = []
    var start = text.startIndex
    var position = start
    var seenEquals = false
    while position < text.endIndex {
      switch text[position] {
      case comma:
        result.append(text[start..<position])
        position += 1
        start = position
        seenEquals = false
      case backslash:
        position += escapeLength(text, position)
      case equals where !seenEquals:
        seenEquals = true
        position += 1
        if let end = closingQuote(text, position) { position = end }
      default:
        position += 1
      }
    }
    result.append(text[start...])
    return result.filter { !$0.isEmpty }
  }

  /// The name before the first `=`, and the value behind it if there is one, quotes taken off.
  static func split(_ item: ArraySlice<UInt8>) -> (name: String, value: ArraySlice<UInt8>?) {
    guard let position = item.firstIndex(of: equals) else {
      return (String(decoding: item, as: UTF8.self), nil)
    }
    var value = item[(position + 1)...]
    if value.count >= 2, value.first == quote, value.last == quote {
      value = value.dropFirst().dropLast()
    }
    return (String(decoding: item[..<position], as: UTF8.self), value)
  }

  /// The value without its escapes.
  static func plain(_ value: ArraySlice<UInt8>) -> RawPath {
    RawPath(pieces(value, separator: nil)[0])
  }

  /// The pieces between unescaped colons, without their escapes; empty ones are kept.
  static func list(_ value: ArraySlice<UInt8>) -> [RawPath] {
    pieces(value, separator: colon).map { RawPath($0) }
  }

  private static func pieces(_ value: ArraySlice<UInt8>, separator: UInt8?) -> [[UInt8]] {
    var result: [[UInt8]] = [[]]
    var position = value.startIndex
    while position < value.endIndex {
      if value[position] == backslash {
        let end = min(position + escapeLength(value, position), value.endIndex)
        result[result.count - 1].append(value[end - 1])
        position = end
        continue
      }
      if value[position] == separator {
        result.append([])
      } else {
        result[result.count - 1].append(value[position])
      }
      position += 1
    }
    return result
  }

  /// How many bytes the escape that starts here takes: the last of them is what it stands for.
  private static func escapeLength(_ text: ArraySlice<UInt8>, _ start: Int) -> Int {
    let behind = text[start...].dropFirst()
    guard let next = behind.first else { return 1 }
    if next == backslash, let third = behind.dropFirst().first, third == comma || third == colon {
      return 3
    }
    return 2
  }

  /// The position behind a quoted value that starts here and ends its item, else nil.
  private static func closingQuote(_ text: ArraySlice<UInt8>, _ start: Int) -> Int? {
    guard start < text.endIndex, text[start] == quote else { return nil }
    var position = start + 1
    while position < text.endIndex {
      let end = position + 1
      if text[position] == quote, end == text.endIndex || text[end] == comma { return end }
      position = end
    }
    return nil
  }

  private static let comma = UInt8(ascii: ",")
  private static let colon = UInt8(ascii: ":")
  private static let backslash = UInt8(ascii: "\\")
  private static let equals = UInt8(ascii: "=")
  private static let quote = UInt8(ascii: "\"")
}
