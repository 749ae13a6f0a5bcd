import StrataJSON
import StrataSystem

/// Cuts the JSON of a TOC into its rows while it streams: of the whole never more than a buffer and a
/// row lie in memory.
final class TOCSplitter {
  private let source: any ByteSource
  private let buffer = ByteBuffer(capacity: 1 << 16)
  private var position = 0
  private var isAtEnd = false
  private var byteCount: Int64 = 0
  private var place = Place.start
  /// The row, or the value of a member, that was read last.
  private var value: [UInt8] = []

  private enum Place {
    /// Before the object.
    case start
    /// Behind a member; the first has nothing before it.
    case members(isFirst: Bool)
    /// In the list of rows.
    case rows(isFirst: Bool)
    /// Behind the object.
    case end
  }

  /// What comes next in a TOC.
  enum Piece {
    /// A member of the TOC other than its rows: its name and the JSON of its value.
    case member(String, [UInt8])
    /// A row's JSON.
    case row
  }

  /// Reads the plain bytes of a TOC.
  init(_ source: any ByteSource) {
    self.source = source
  }

  /// The next piece; nil at the end, when every byte has been read.
  ///
  /// `use` gets a row's bytes.
  func next<Result>(
    row use: ([UInt8]) throws(JSONError) -> Result
  ) throws(StreamError) -> (Piece, Result?)? {
    while true {
      switch place {
      case .start:
        try expect(UInt8(ascii: "{"))
        place = .members(isFirst: true)
      case .members(let isFirst):
        if let piece = try member(isFirst) { return (piece, nil) }
      case .rows(let isFirst):
        if try skip(UInt8(ascii: "]")) {
          place = .members(isFirst: false)
          continue
        }
        if !isFirst { try expect(UInt8(ascii: ",")) }
        place = .rows(isFirst: false)
        try readValue(limit: TOCLimit.entryBytes)
        do throws(JSONError) {
          return (.row, try use(value))
        } catch { throw malformed("row before byte \(byteCount): \(error)") }
      case .end:
        if try peek() != nil { throw malformed("bytes behind its end") }
        return nil
      }
    }
  }

  private var hasRows = false

  /// A member's name and value, or the step into the rows (nil), or to the end (nil).
  private func member(_ isFirst: Bool) throws(StreamError) -> Piece? {
    if try skip(UInt8(ascii: "}")) {
      place = .end
      return nil
    }
    if !isFirst { try expect(UInt8(ascii: ",")) }
    place = .members(isFirst: false)
    guard try peek() == UInt8(ascii: "\"") else { throw malformed("expected a member's name") }
    try readValue(limit: 4096)
    let name: String
    do throws(JSONError) {
      var scanner = JSONScanner(value)
      name = try scanner.string()
    } catch { throw malformed("\(error)") }
    try expect(UInt8(ascii: ":"))
    if name.lowercased() == "entries", try skip(UInt8(ascii: "[")) {
      // Go would lay the second list over the first.
      if hasRows { throw malformed("two lists of entries") }
      hasRows = true
      place = .rows(isFirst: true)
      return nil
    }
    try readValue(limit: TOCLimit.entryBytes)
    return .member(name, value)
  }

  /// Reads one value of any kind into `value`; its syntax is for `JSONScanner` to check.
  private func readValue(limit: Int) throws(StreamError) {
    value.removeAll(keepingCapacity: true)
    guard let first = try peek() else { throw malformed("unexpected end") }
    let isContainer = first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
    let isText = first == UInt8(ascii: "\"")
    var state = ValueState()
    while !state.isDone {
      guard try refill() else {
        if isContainer || isText { throw StreamError(.unexpectedEnd, "TOC: unexpected end") }
        return
      }
      let start = position
      buffer.withBytes { bytes in
        var index = start
        while index < bytes.byteCount, !state.isDone {
          let byte = bytes.byte(at: index)
          if isContainer || isText {
            state.take(byte)
          } else if byte <= 0x20 || byte == 0x2C || byte == 0x5D || byte == 0x7D {
            state.isDone = true
            break
          }
          index += 1
        }
        value.append(bytes.extracting(start..<index))
        position = index
      }
      if value.count > limit { throw StreamError(.limit, "TOC: a row of more than \(limit) bytes") }
      if state.depth > TOCLimit.depth { throw StreamError(.limit, "TOC: nested too deep") }
    }
  }

  /// The next byte that is no white space, not consumed; nil at the end.
  private func peek() throws(StreamError) -> UInt8? {
    while try refill() {
      let byte = buffer.withBytes { $0.byte(at: position) }
      if byte != 0x20, byte != 0x0A, byte != 0x0D, byte != 0x09 { return byte }
      position += 1
    }
    return nil
  }

  private func skip(_ mark: UInt8) throws(StreamError) -> Bool {
    guard try peek() == mark else { return false }
    position += 1
    return true
  }

  private func expect(_ mark: UInt8) throws(StreamError) {
    guard try skip(mark) else {
      throw malformed("expected '\(Character(Unicode.Scalar(mark)))' before byte \(byteCount)")
    }
  }

  /// Makes sure that a byte is there; false at the end.
  private func refill() throws(StreamError) -> Bool {
    if position < buffer.count { return true }
    if isAtEnd { return false }
    position = 0
    isAtEnd = try !source.fill(buffer)
    byteCount += Int64(buffer.count)
    if byteCount > Int64(TOCLimit.bytes) {
      throw StreamError(.limit, "TOC: more than \(TOCLimit.bytes) bytes")
    }
    return !isAtEnd
  }

  private func malformed(_ what: String) -> StreamError {
    isAtEnd
      ? StreamError(.unexpectedEnd, "TOC: unexpected end") : StreamError(.malformed, "TOC: \(what)")
  }
}

/// Finds the end of a container or a text.
private struct ValueState {
  var depth = 0
  private var isInText = false
  private var isEscaped = false
  var isDone = false

  mutating func take(_ byte: UInt8) {
    if isInText {
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\\") {
        isEscaped = true
      } else if byte == UInt8(ascii: "\"") {
        isInText = false
        isDone = depth == 0
      }
      return
    }
    switch byte {
    case UInt8(ascii: "\""): isInText = true
    case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
    case UInt8(ascii: "}"), UInt8(ascii: "]"):
      depth -= 1
      isDone = depth == 0
    default: break
    }
  }
}
