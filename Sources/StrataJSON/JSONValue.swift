/// Any JSON value: members keep their order and numbers their text, so that what is read and
/// written again says the same.
///
/// For manifests, configs and inspect output; records have codecs of their own.
package enum JSONValue: Hashable, Sendable {
  case null
  case bool(Bool)
  /// As spelled.
  case number(String)
  case string(String)
  case array([JSONValue])
  case object([JSONMember])

  /// A whole number.
  package static func integer(_ value: some BinaryInteger) -> JSONValue { .number(String(value)) }

  /// A list of strings.
  package static func strings(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }

  /// An object of these members, in this order.
  package static func members(_ members: [(String, JSONValue)]) -> JSONValue {
    .object(members.map { JSONMember($0.0, $0.1) })
  }
}

/// A name and a value of an object.
package struct JSONMember: Hashable, Sendable {
  package var name: String
  package var value: JSONValue

  package init(_ name: String, _ value: JSONValue) {
    self.name = name
    self.value = value
  }
}

extension JSONValue {
  /// How deep a value may nest to be made into a tree.
  private static let maximumDepth = 256

  /// Reads a whole text.
  package init(parsing bytes: [UInt8]) throws(JSONError) {
    var scanner = JSONScanner(bytes)
    self = try Self.read(&scanner, depth: 0)
    try scanner.expectEnd()
  }

  private static func read(_ scanner: inout JSONScanner, depth: Int) throws(JSONError) -> JSONValue
  {
    guard depth < maximumDepth else { throw scanner.failure("exceeded max depth") }
    switch scanner.peek() {
    case UInt8(ascii: "\""): return .string(try scanner.string())
    case UInt8(ascii: "t"), UInt8(ascii: "f"): return .bool(try scanner.bool())
    case UInt8(ascii: "n"):
      _ = try scanner.skipNull()
      return .null
    case UInt8(ascii: "["):
      scanner.position += 1
      var elements: [JSONValue] = []
      var first = true
      while try scanner.nextElement(&first) {
        elements.append(try read(&scanner, depth: depth + 1))
      }
      return .array(elements)
    case UInt8(ascii: "{"):
      scanner.position += 1
      var members: [JSONMember] = []
      var first = true
      while let key = try scanner.nextKey(&first) {
        members.append(JSONMember(scanner.text(key), try read(&scanner, depth: depth + 1)))
      }
      return .object(members)
    default:
      return .number(String(decoding: scanner.bytes[try scanner.number()], as: UTF8.self))
    }
  }

  /// The member of an object; its exact spelling wins over another case, the last over earlier
  /// ones, as in Go's decoder.
  ///
  /// Setting nil removes, a new name goes last.
  package subscript(name: String) -> JSONValue? {
    get {
      guard case .object(let members) = self else { return nil }
      if let exact = members.last(where: { $0.name == name }) { return exact.value }
      let folded = name.lowercased()
      return members.last { $0.name.lowercased() == folded }?.value
    }
    set {
      var members: [JSONMember] = []
      if case .object(let old) = self { members = old }
      if let newValue {
        if let index = members.lastIndex(where: { $0.name == name }) {
          members[index].value = newValue
        } else {
          members.append(JSONMember(name, newValue))
        }
      } else {
        members.removeAll { $0.name == name }
      }
      self = .object(members)
    }
  }

  package var string: String? { if case .string(let text) = self { text } else { nil } }
  package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  package var int64: Int64? { if case .number(let text) = self { Int64(text) } else { nil } }
  package var array: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
  package var members: [JSONMember]? { if case .object(let all) = self { all } else { nil } }

  /// The strings of a list, nil if it is none or holds anything else.
  package var strings: [String]? {
    guard let array else { return nil }
    let texts = array.compactMap(\.string)
    return texts.count == array.count ? texts : nil
  }

  /// The text: on one line, or with a line for each element where an indent is given, as Go's
  /// MarshalIndent lays it out.
  package func encoded(indent: String? = nil, escapesHTML: Bool = true) -> [UInt8] {
    var writer = JSONWriter(escapesHTML: escapesHTML)
    write(to: &writer, indent: indent, depth: 0)
    return writer.bytes
  }

  /// The text in a `String`.
  package func text(indent: String? = nil, escapesHTML: Bool = true) -> String {
    String(decoding: encoded(indent: indent, escapesHTML: escapesHTML), as: UTF8.self)
  }

  private func write(to writer: inout JSONWriter, indent: String?, depth: Int) {
    func newLine(_ depth: Int) {
      guard let indent else { return }
      writer.raw("\n".utf8)
      for _ in 0..<depth { writer.raw(indent.utf8) }
    }
    switch self {
    case .null: writer.raw("null".utf8)
    case .bool(let value): writer.bool(value)
    case .number(let text): writer.raw(text.utf8)
    case .string(let text): writer.string(text)
    case .array(let elements):
      writer.beginArray()
      for element in elements {
        writer.separate()
        newLine(depth + 1)
        element.write(to: &writer, indent: indent, depth: depth + 1)
      }
      if !elements.isEmpty { newLine(depth) }
      writer.endArray()
    case .object(let members):
      writer.beginObject()
      for member in members {
        writer.separate()
        newLine(depth + 1)
        writer.string(member.name)
        writer.raw((indent == nil ? ":" : ": ").utf8)
        member.value.write(to: &writer, indent: indent, depth: depth + 1)
      }
      if !members.isEmpty { newLine(depth) }
      writer.endObject()
    }
  }
}
