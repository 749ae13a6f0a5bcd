import StrataModel

/// A record of one of the store's JSON files.
package protocol JSONRecord: Hashable, Sendable {
  /// The member `id`, unique in the store.
  var id: String { get }
  /// The members that it knows.
  static var schema: RecordSchema { get }
  /// Reads one object.
  init(decoding scanner: inout JSONScanner) throws(JSONError)
  /// Writes the object in Go's order and spelling, unknown members last.
  func encode(to writer: inout JSONWriter)
}

/// A record and where its text lies in the file.
package struct ScannedRecord<Record: JSONRecord>: Sendable {
  package var record: Record
  package var range: Range<Int>
}

extension JSONRecord {
  /// The records of a file: an array of objects.
  ///
  /// No bytes, or `null`, are no records, as for Go.
  package static func decodeAll(_ bytes: [UInt8]) throws(JSONError) -> [ScannedRecord<Self>] {
    var scanner = JSONScanner(bytes)
    guard scanner.peek() != nil else { return [] }
    var result: [ScannedRecord<Self>] = []
    if try !scanner.skipNull() {
      try scanner.expect(UInt8(ascii: "["))
      var first = true
      while try scanner.nextElement(&first) {
        _ = scanner.peek()
        let start = scanner.position
        let record = try Self(decoding: &scanner)
        result.append(ScannedRecord(record: record, range: start..<scanner.position))
      }
    }
    try scanner.expectEnd()
    return result
  }

  /// The object's text.
  package func encoded() -> [UInt8] {
    var writer = JSONWriter()
    encode(to: &writer)
    return writer.bytes
  }
}

extension JSONScanner {
  /// Reads an object's members: those of the schema that are not null go to `decode` by number.
  ///
  /// The others are returned as they are.
  mutating func object(
    of schema: RecordSchema,
    _ decode: (Int, JSONKey, inout JSONScanner) throws(JSONError) -> Void
  ) throws(JSONError) -> [UnknownMember] {
    var unknown: [UnknownMember] = []
    try expect(UInt8(ascii: "{"))
    var first = true
    var next = 0
    while let key = try nextKey(&first) {
      if let number = schema.find(key, in: bytes, next: &next) {
        if try !skipNull() { try decode(number, key, &self) }
      } else {
        unknown.append(try self.unknown(key))
      }
    }
    return unknown
  }

  /// A member's value kept as it is.
  mutating func unknown(_ key: JSONKey) throws(JSONError) -> UnknownMember {
    let name = text(key)
    return UnknownMember(name: name, json: Array(bytes[try skipValue()]))
  }

  /// A digest, or nil for the empty string.
  ///
  /// A text that is no digest is kept in `unknown`.
  mutating func digest(_ key: JSONKey, _ unknown: inout [UnknownMember]) throws(JSONError)
    -> Digest?
  {
    let (range, escaped) = try stringRange()
    if range.isEmpty { return nil }
    if !escaped, let digest = Digest(ascii: bytes[range]) { return digest }
    let quotes = (range.lowerBound - 1)..<(range.upperBound + 1)
    unknown.append(UnknownMember(name: text(key), json: Array(bytes[quotes])))
    return nil
  }

  /// A time, which must be one.
  mutating func time() throws(JSONError) -> Timestamp {
    _ = peek()
    let start = position
    guard let time = Timestamp(try string()) else {
      throw JSONError("expected a time as RFC 3339 spells it", at: start)
    }
    return time
  }

  /// A list of numbers of 32 bits.
  mutating func numbers() throws(JSONError) -> [UInt32] {
    try expect(UInt8(ascii: "["))
    var result: [UInt32] = []
    var first = true
    while try nextElement(&first) {
      result.append(UInt32(try integer(0...Int64(UInt32.max))))
    }
    return result
  }

  /// A list of id maps.
  mutating func idMaps() throws(JSONError) -> [IDMap] {
    try expect(UInt8(ascii: "["))
    var result: [IDMap] = []
    var first = true
    while try nextElement(&first) { result.append(try idMap()) }
    return result
  }

  private mutating func idMap() throws(JSONError) -> IDMap {
    var map = IDMap(containerID: 0, hostID: 0, size: 0)
    _ = try object(of: idMapNames) { (number, _, scanner) throws(JSONError) in
      let value = UInt32(try scanner.integer(0...Int64(UInt32.max)))
      switch number {
      case 0: map.containerID = value
      case 1: map.hostID = value
      default: map.size = value
      }
    }
    return map
  }

  /// The `flags` member: what Strata understands is given its value, all keep their text.
  mutating func flags() throws(JSONError) -> Flags {
    try expect(UInt8(ascii: "{"))
    var members: [Flags.Member] = []
    var first = true
    while let key = try nextKey(&first) {
      let range = try skipValue()
      members.append(
        Flags.Member(name: text(key), value: flag(range), source: Array(bytes[range])))
    }
    return Flags(members: members)
  }

  /// The value of a range that is known to be JSON.
  private func flag(_ range: Range<Int>) -> Flags.Value {
    var scanner = JSONScanner(bytes, at: range.lowerBound)
    switch bytes[range.lowerBound] {
    case UInt8(ascii: "t"): return .bool(true)
    case UInt8(ascii: "f"): return .bool(false)
    case UInt8(ascii: "\""): if let text = try? scanner.string() { return .string(text) }
    case UInt8(ascii: "["): if let texts = try? scanner.strings() { return .strings(texts) }
    default: break
    }
    return .other(json: Array(bytes[range]))
  }

  /// A map from names to sizes.
  mutating func sizes() throws(JSONError) -> [String: Int64] {
    try expect(UInt8(ascii: "{"))
    var result: [String: Int64] = [:]
    var first = true
    while let key = try nextKey(&first) {
      result[text(key)] = try integer(Int64.min...Int64.max)
    }
    return result
  }

  /// A map from names to digests, and apart the values that are none.
  mutating func digests() throws(JSONError) -> (digests: [String: Digest], odd: [String: String]) {
    try expect(UInt8(ascii: "{"))
    var result: [String: Digest] = [:]
    var odd: [String: String] = [:]
    var first = true
    while let key = try nextKey(&first) {
      let value = try string()
      if let digest = try? Digest(value) {
        result[text(key)] = digest
      } else {
        odd[text(key)] = value
      }
    }
    return (result, odd)
  }
}

private let idMapNames = RecordSchema(
  ("container_id", .integer), ("host_id", .integer), ("size", .integer))

extension JSONWriter {
  mutating func member(_ name: String, nonNil digest: Digest?) {
    guard let digest else { return }
    self.name(name)
    string(digest.description)
  }

  mutating func member(_ name: String, nonEmpty numbers: [UInt32]) {
    if numbers.isEmpty { return }
    self.name(name)
    beginArray()
    for number in numbers {
      separate()
      integer(number)
    }
    endArray()
  }

  mutating func member(_ name: String, nonEmpty maps: [IDMap]) {
    if maps.isEmpty { return }
    self.name(name)
    beginArray()
    for map in maps {
      separate()
      beginObject()
      self.name("container_id")
      integer(map.containerID)
      self.name("host_id")
      integer(map.hostID)
      self.name("size")
      integer(map.size)
      endObject()
    }
    endArray()
  }

  mutating func member(_ name: String, nonEmpty flags: Flags) {
    if flags.isEmpty { return }
    self.name(name)
    beginObject()
    for member in flags.members {
      self.name(member.name)
      if let source = member.source {
        raw(source)
        continue
      }
      switch member.value {
      case .bool(let value): bool(value)
      case .string(let text): string(text)
      case .strings(let texts): strings(texts)
      case .other(let json): raw(json)
      }
    }
    endObject()
  }

  /// A map in the bytewise order of its keys, as Go writes maps.
  mutating func member(_ name: String, nonEmpty sizes: [String: Int64]) {
    if sizes.isEmpty { return }
    self.name(name)
    beginObject()
    for key in bytewise(sizes.keys) {
      self.name(key)
      integer(sizes[key] ?? 0)
    }
    endObject()
  }

  mutating func member(_ name: String, digests: [String: Digest], odd: [String: String]) {
    if digests.isEmpty, odd.isEmpty { return }
    self.name(name)
    beginObject()
    for key in bytewise(Set(digests.keys).union(odd.keys)) {
      self.name(key)
      string(digests[key]?.description ?? odd[key] ?? "")
    }
    endObject()
  }

  /// Unknown members, but for those whose value has been set since under the name that is known.
  mutating func members(_ unknown: [UnknownMember], setSince: (String) -> Bool = { _ in false }) {
    for member in unknown where !setSince(member.name.lowercased()) {
      name(member.name)
      raw(member.json)
    }
  }

  private func bytewise(_ keys: some Sequence<String>) -> [String] {
    keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}
