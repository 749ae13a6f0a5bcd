/// Which bytes of a whole an answer holds: the header `Content-Range` (RFC 9110, 14.4).
package struct ContentRange: Sendable, Hashable {
  /// The bytes; nil in an answer that says that there are none of those asked for.
  package var range: Range<Int64>?
  /// The size of the whole, nil where it is not told.
  package var total: Int64?

  package init(range: Range<Int64>?, total: Int64?) {
    self.range = range
    self.total = total
  }

  /// Reads `bytes 0-9/10`, `bytes 0-9/*` or `bytes */10`; nil for anything else.
  package init?(_ text: String) {
    let words = text.split(separator: " ")
    guard words.count == 2, words[0].lowercased() == "bytes" else { return nil }
    let parts = words[1].split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    if parts[1] != "*" {
      guard let size = Self.number(parts[1]) else { return nil }
      total = size
    }
    if parts[0] == "*" { return }
    let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
    guard ends.count == 2, let first = Self.number(ends[0]), let last = Self.number(ends[1]),
      first <= last, last < Int64.max, last < total ?? Int64.max
    else { return nil }
    range = first..<(last + 1)
  }

  /// Digits alone: no sign, no blank.
  private static func number(_ text: Substring) -> Int64? {
    guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int64(text)
  }

  /// What is wrong with an answer 206 to a request for `wanted` of a blob of `size` bytes; nil where it
  /// is right.
  ///
  /// `length` is what the header `Content-Length` says, if there is one. An answer must begin where it
  /// was asked to; it may end earlier, and then the rest is asked for again.
  package static func objection(
    to header: String?, wanted: Range<Int64>, size: Int64?, length: Int64?
  ) -> String? {
    guard let header else { return "206 without Content-Range" }
    guard let answer = ContentRange(header), let range = answer.range else {
      return "206 with the Content-Range \(header)"
    }
    guard range.lowerBound == wanted.lowerBound, range.upperBound <= wanted.upperBound else {
      return "the bytes \(header), not \(wanted.lowerBound)-\(wanted.upperBound - 1)"
    }
    if let size, let total = answer.total, total != size {
      return "a total of \(total) bytes, not \(size)"
    }
    if let length, length != Int64(range.count) {
      return "\(length) bytes that claim to be \(header)"
    }
    return nil
  }
}
