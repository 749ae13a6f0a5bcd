/// Base 64 in the standard alphabet with padding, as JSON holds bytes.
extension [UInt8] {
  /// Appends the encoded form of the bytes.
  package mutating func appendBase64(of bytes: RawSpan) {
    let length = (bytes.byteCount + 2) / 3 * 4
    let start = count
    append(contentsOf: repeatElement(UInt8(ascii: "="), count: length))
    unsafe withUnsafeMutableBufferPointer { whole in
      var target = start
      unsafe bytes.withUnsafeBytes { source in
        var index = 0
        while index < source.count {
          let left = source.count - index
          let a = unsafe UInt32(source[index])
          let b = unsafe left > 1 ? UInt32(source[index + 1]) : 0
          let c = unsafe left > 2 ? UInt32(source[index + 2]) : 0
          let group = a << 16 | b << 8 | c
          unsafe whole[target] = base64Digit(group >> 18)
          unsafe whole[target + 1] = base64Digit(group >> 12)
          if left > 1 { unsafe whole[target + 2] = base64Digit(group >> 6) }
          if left > 2 { unsafe whole[target + 3] = base64Digit(group) }
          index += 3
          target += 4
        }
      }
    }
  }

  /// Appends what `text` encodes; false, and nothing is appended, where it is malformed.
  package mutating func appendDecoded(base64 text: ArraySlice<UInt8>) -> Bool {
    let start = count
    guard text.count.isMultiple(of: 4) else { return false }
    reserveCapacity(start + text.count / 4 * 3)
    var index = text.startIndex
    while index < text.endIndex {
      let isLast = index + 4 == text.endIndex
      let padding = isLast ? (text[index + 3] != equals ? 0 : text[index + 2] != equals ? 1 : 2) : 0
      let a = base64Values[Int(text[index])]
      let b = base64Values[Int(text[index + 1])]
      let c = padding > 1 ? 0 : base64Values[Int(text[index + 2])]
      let d = padding > 0 ? 0 : base64Values[Int(text[index + 3])]
      guard a | b | c | d < 64 else {
        removeLast(count - start)
        return false
      }
      append(a << 2 | b >> 4)
      if padding < 2 { append(b << 4 | c >> 2) }
      if padding < 1 { append(c << 6 | d) }
      index += 4
    }
    return true
  }
}

private let equals = UInt8(ascii: "=")

private let base64Alphabet = Array(
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

/// The value of each digit, 255 for what is none.
private let base64Values: [UInt8] = {
  var values = [UInt8](repeating: 255, count: 256)
  for (value, digit) in base64Alphabet.enumerated() { values[Int(digit)] = UInt8(value) }
  return values
}()

/// The digit of the lowest six bits, without a table: the compiler makes vectors of it.
@inline(__always)
private func base64Digit(_ bits: UInt32) -> UInt8 {
  let value = UInt8(truncatingIfNeeded: bits & 63)
  return switch value {
  case ..<26: value &+ 65
  case ..<52: value &+ 71
  case ..<62: value &- 4
  case 62: 43
  default: 47
  }
}
