/// JSON text that is changed in place: what is not named keeps its bytes.
///
/// An image's config must keep the bytes that its digest is of, but for what a commit changes.
package struct JSONText: Hashable, Sendable {
  /// The text.
  package private(set) var bytes: [UInt8]

  /// Text whose syntax is checked whole.
  package init(_ bytes: [UInt8]) throws(JSONError) {
    var scanner = JSONScanner(bytes)
    _ = try scanner.skipValue()
    try scanner.expectEnd()
    self.bytes = bytes
  }

  /// The value at a path of member names; nil if there is none.
  package func value(at path: String...) -> JSONValue? {
    guard let range = try? range(of: path) else { return nil }
    return try? JSONValue(parsing: Array(bytes[range]))
  }

  /// Replaces the member at a path, or adds it last; objects that are missing on the way are made.
  ///
  /// A value on the way that is no object is replaced by one.
  package mutating func set(_ path: String..., to value: JSONValue) throws(JSONError) {
    try set(path[...], to: value, in: whole())
  }

  /// Adds an element to the end of the list at a path, which is made if it is missing or no list.
  package mutating func append(to path: String..., value: JSONValue) throws(JSONError) {
    guard let range = try range(of: path), bytes[range.lowerBound] == UInt8(ascii: "[") else {
      try set(path[...], to: .array([value]), in: whole())
      return
    }
    insert(value.encoded(), beforeEndOf: range)
  }

  /// Takes the member at a path away, if it is there.
  package mutating func remove(_ path: String...) throws(JSONError) {
    guard let name = path.last, let object = try range(of: path.dropLast()) else { return }
    while let member = try member(name, in: object) {
      // The comma before it goes too, or the one behind it if it is the first.
      var start = member.name.lowerBound
      var end = member.value.upperBound
      while start > 0, isBlank(bytes[start - 1]) { start -= 1 }
      if bytes[start - 1] == UInt8(ascii: ",") {
        start -= 1
      } else {
        var scanner = JSONScanner(bytes, at: end)
        if scanner.skip(UInt8(ascii: ",")) {
          _ = scanner.peek()
          end = scanner.position
          start = member.name.lowerBound
        }
      }
      bytes.removeSubrange(start..<end)
    }
  }
}

extension JSONText {
  private func whole() throws(JSONError) -> Range<Int> {
    var scanner = JSONScanner(bytes)
    return try scanner.skipValue()
  }

  private func range(of path: some Sequence<String>) throws(JSONError) -> Range<Int>? {
    var range = try whole()
    for name in path {
      guard let member = try member(name, in: range) else { return nil }
      range = member.value
    }
    return range
  }

  /// The last member of that name in the object at a range, the exact spelling before another case.
  private func member(_ name: String, in object: Range<Int>) throws(JSONError)
    -> (name: Range<Int>, value: Range<Int>)?
  {
    guard bytes[object.lowerBound] == UInt8(ascii: "{") else { return nil }
    var scanner = JSONScanner(bytes, at: object.lowerBound + 1)
    var found: (name: Range<Int>, value: Range<Int>)?
    var folded: (name: Range<Int>, value: Range<Int>)?
    var first = true
    while let key = try scanner.nextKey(&first) {
      let value = try scanner.skipValue()
      let text = scanner.text(key)
      let place = ((key.range.lowerBound - 1)..<(key.range.upperBound + 1), value)
      if text == name {
        found = place
      } else if text.lowercased() == name.lowercased() {
        folded = place
      }
    }
    return found ?? folded
  }

  private mutating func set(_ path: ArraySlice<String>, to value: JSONValue, in object: Range<Int>)
    throws(JSONError)
  {
    guard let name = path.first else {
      bytes.replaceSubrange(object, with: value.encoded())
      return
    }
    let rest = path.dropFirst()
    if let member = try member(name, in: object) {
      try set(rest, to: value, in: member.value)
      return
    }
    let nested = rest.reversed().reduce(value) { JSONValue.object([JSONMember($1, $0)]) }
    if bytes[object.lowerBound] == UInt8(ascii: "{") {
      var writer = JSONWriter()
      writer.name(name)
      insert(writer.bytes + nested.encoded(), beforeEndOf: object)
    } else {
      bytes.replaceSubrange(
        object, with: JSONValue.object([JSONMember(name, nested)]).encoded())
    }
  }

  /// Puts text behind the last element of an object or list, with a comma if there is one.
  private mutating func insert(_ text: [UInt8], beforeEndOf range: Range<Int>) {
    var end = range.upperBound - 1
    while isBlank(bytes[end - 1]) { end -= 1 }
    let isEmpty = end == range.lowerBound + 1
    bytes.insert(contentsOf: isEmpty ? text : [UInt8(ascii: ",")] + text, at: end)
  }

  private func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
  }
}
