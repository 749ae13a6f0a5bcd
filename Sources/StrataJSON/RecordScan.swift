import StrataModel

/// The members that a kind of record knows, in the order in which Go writes them, and what each holds.
package struct RecordSchema: Sendable {
  /// What a member holds, and whether a summary tells of it.
  package enum Form: UInt8, Sendable {
    case id, names, text, strings, integer, time, numbers, maps, flags, sizes, digests
    /// Texts whose places a summary keeps, since look-ups go by them.
    case parent, compressedDigest, diffDigest, tocDigest
  }

  private struct Entry: Sendable {
    var start: Int
    var count: Int
    var form: Form
  }

  /// All names, one behind the other: a search touches one array and makes no string.
  private let names: [UInt8]
  private let entries: [Entry]

  package init(_ members: (String, Form)...) {
    var names: [UInt8] = []
    var entries: [Entry] = []
    for (name, form) in members {
      entries.append(Entry(start: names.count, count: name.utf8.count, form: form))
      names.append(contentsOf: name.utf8)
    }
    self.names = names
    self.entries = entries
  }

  /// What a member holds.
  func form(_ number: Int) -> Form { entries[number].form }

  /// The number of a name, in any case as Go's decoder matches; nil if it is unknown.
  ///
  /// `next` is where to look first, and is moved on.
  func find(_ key: JSONKey, in bytes: [UInt8], next: inout Int) -> Int? {
    guard !key.escaped else { return nil }
    let count = key.range.count
    let all = entries.span
    var index = next
    for _ in 0..<all.count {
      if index >= all.count { index = 0 }
      if all[index].count == count, matches(index, bytes, key.range.lowerBound, fold: false) {
        next = index + 1
        return index
      }
      index += 1
    }
    return entries.indices.first {
      entries[$0].count == count && matches($0, bytes, key.range.lowerBound, fold: true)
    }
  }

  private func matches(_ index: Int, _ bytes: [UInt8], _ start: Int, fold: Bool) -> Bool {
    let entry = entries[index]
    let text = bytes.span
    let known = names.span
    for offset in 0..<entry.count {
      var byte = text[start + offset]
      if fold, byte >= 0x41, byte <= 0x5A { byte |= 0x20 }
      if byte != known[entry.start + offset] { return false }
    }
    return true
  }
}

/// The place of a string in a file, between its quotes.
package struct TextRange: Hashable, Sendable {
  package var start: UInt32 = 0
  package var count: UInt32 = 0
  package var isEscaped = false

  package init() {}

  init(_ text: (range: Range<Int>, escaped: Bool)) {
    start = UInt32(text.range.lowerBound)
    count = UInt32(text.range.count)
    isEscaped = text.escaped
  }

  /// The string.
  package func text(in bytes: [UInt8]) -> String {
    let range = Int(start)..<(Int(start) + Int(count))
    if isEscaped { return JSONScanner(bytes).unescaped(range) }
    return String(decoding: bytes[range], as: UTF8.self)
  }

  /// Whether the string is this text, given as UTF-8.
  package func equals(_ text: [UInt8], in bytes: [UInt8]) -> Bool {
    if isEscaped { return Array(self.text(in: bytes).utf8) == text }
    guard text.count == Int(count) else { return false }
    for offset in 0..<text.count where bytes[Int(start) + offset] != text[offset] { return false }
    return true
  }
}

/// What a look-up needs to know of a record without making it: places in the file.
package struct RecordSummary: Sendable {
  /// The object, braces included.
  package var start: UInt32 = 0
  package var end: UInt32 = 0
  package var id = TextRange()
  package var parent = TextRange()
  package var compressedDigest = TextRange()
  package var diffDigest = TextRange()
  package var tocDigest = TextRange()
  /// The list of names; empty if there is none.
  package var names = TextRange()
  /// Whether the flag `incomplete` is boolean true.
  package var isIncomplete = false

  package init() {}

  /// The same record in a text where it starts elsewhere.
  package mutating func move(to newStart: Int) {
    let distance = UInt32(newStart) &- start
    if distance == 0 { return }
    start &+= distance
    end &+= distance
    id.start &+= distance
    parent.start &+= distance
    compressedDigest.start &+= distance
    diffDigest.start &+= distance
    tocDigest.start &+= distance
    names.start &+= distance
  }

  /// The object's place.
  package var range: Range<Int> { Int(start)..<Int(end) }

  /// The names.
  package func nameList(in bytes: [UInt8]) -> [String] {
    guard names.count > 0 else { return [] }
    var scanner = JSONScanner(bytes, at: Int(names.start))
    return (try? scanner.strings()) ?? []
  }
}

extension JSONScanner {
  /// The summaries of a file's records: an array of objects whose members are checked as strictly
  /// as their decoding is.
  ///
  /// No bytes, or `null`, are no records, as for Go.
  package static func summaries(_ bytes: [UInt8], _ schema: RecordSchema) throws(JSONError)
    -> [RecordSummary]
  {
    guard bytes.count < Int(UInt32.max) else {
      throw JSONError("more than 4 GiB of records", at: 0)
    }
    var scanner = JSONScanner(bytes)
    guard scanner.peek() != nil else { return [] }
    var result: [RecordSummary] = []
    if try !scanner.skipNull() {
      try scanner.expect(UInt8(ascii: "["))
      // A record of a layer has some 450 bytes.
      result.reserveCapacity(bytes.count / 400)
      var first = true
      while try scanner.nextElement(&first) { result.append(try scanner.summary(schema)) }
    }
    try scanner.expectEnd()
    return result
  }

  /// The summary of the record that starts at an offset.
  package static func summary(_ bytes: [UInt8], at start: Int, _ schema: RecordSchema)
    throws(JSONError) -> RecordSummary
  {
    var scanner = JSONScanner(bytes, at: start)
    return try scanner.summary(schema)
  }

  private mutating func summary(_ schema: RecordSchema) throws(JSONError) -> RecordSummary {
    var summary = RecordSummary()
    _ = peek()
    summary.start = UInt32(position)
    try expect(UInt8(ascii: "{"))
    var first = true
    var next = 0
    while let key = try nextKey(&first) {
      guard let number = schema.find(key, in: bytes, next: &next) else {
        _ = try skipValue()
        continue
      }
      if try skipNull() { continue }
      try check(schema.form(number), &summary)
    }
    summary.end = UInt32(position)
    return summary
  }

  private mutating func check(_ form: RecordSchema.Form, _ summary: inout RecordSummary)
    throws(JSONError)
  {
    switch form {
    case .id: summary.id = TextRange(try stringRange())
    case .parent: summary.parent = TextRange(try stringRange())
    case .compressedDigest: summary.compressedDigest = TextRange(try stringRange())
    case .diffDigest: summary.diffDigest = TextRange(try stringRange())
    case .tocDigest: summary.tocDigest = TextRange(try stringRange())
    case .text: _ = try stringRange()
    case .time: try checkTime()
    case .integer: _ = try integer(Int64.min...Int64.max)
    case .names:
      let start = position
      try checkList { scanner throws(JSONError) in _ = try scanner.stringRange() }
      summary.names = TextRange((start..<position, false))
    case .strings: try checkList { scanner throws(JSONError) in _ = try scanner.stringRange() }
    case .numbers:
      try checkList { scanner throws(JSONError) in
        _ = try scanner.integer(0...Int64(UInt32.max))
      }
    case .maps: _ = try idMaps()
    case .flags: summary.isIncomplete = try flags().isSet("incomplete")
    case .sizes: _ = try sizes()
    case .digests: _ = try digests()
    }
  }

  @inline(__always)
  private mutating func checkList(_ element: (inout JSONScanner) throws(JSONError) -> Void)
    throws(JSONError)
  {
    try expect(UInt8(ascii: "["))
    var first = true
    while try nextElement(&first) { try element(&self) }
  }

  /// A time: one in UTC is checked without making a string.
  private mutating func checkTime() throws(JSONError) {
    _ = peek()
    let start = position
    let (range, escaped) = try stringRange()
    if !escaped, isPlainTime(range) { return }
    position = start
    _ = try time()
  }

  /// Whether the text is `2006-01-02T15:04:05Z` or that with a fraction, with plausible numbers.
  private func isPlainTime(_ range: Range<Int>) -> Bool {
    let start = range.lowerBound
    guard range.count >= 20, bytes[range.upperBound - 1] == UInt8(ascii: "Z"),
      bytes[start + 4] == UInt8(ascii: "-"), bytes[start + 7] == UInt8(ascii: "-"),
      bytes[start + 10] == UInt8(ascii: "T"), bytes[start + 13] == UInt8(ascii: ":"),
      bytes[start + 16] == UInt8(ascii: ":"), digits(start, 4, 0...9999),
      digits(start + 5, 2, 1...12), digits(start + 8, 2, 1...31), digits(start + 11, 2, 0...23),
      digits(start + 14, 2, 0...59), digits(start + 17, 2, 0...59)
    else { return false }
    if range.count == 20 { return true }
    return range.count > 21 && range.count <= 30 && bytes[start + 19] == UInt8(ascii: ".")
      && digits(start + 20, range.count - 21, 0...999_999_999)
  }

  private func digits(_ start: Int, _ count: Int, _ bounds: ClosedRange<Int>) -> Bool {
    var value = 0
    for index in start..<(start + count) {
      let digit = bytes[index] &- 0x30
      if digit > 9 { return false }
      value = value * 10 + Int(digit)
    }
    return bounds.contains(value)
  }
}
