import StrataArchive
import StrataSystem

/// A name of a TOC row, cut into its parts.
struct IndexName {
  let bytes: [UInt8]
  /// The parts; none for the root.
  private(set) var parts: [Range<Int>] = []

  /// Takes `./` and slashes off the ends; refuses `..`, empty and too long parts, and NUL.
  init(_ name: [UInt8]) throws(StreamError) {
    bytes = name
    if name.count > LayerLimit.pathBytes { throw Self.refusal("name too long", name) }
    if name.contains(0) { throw Self.refusal("NUL in the name", name) }
    var index = 0
    if name.first == slash { index = 1 }
    while name[index...].starts(with: [dot, slash]) { index += 2 }
    while index < name.count {
      var end = index
      while end < name.count, name[end] != slash { end += 1 }
      let part = name[index..<end]
      if part.isEmpty { throw Self.refusal("empty part in the name", name) }
      if part.elementsEqual([dot, dot]) { throw Self.refusal("'..' in the name", name) }
      if part.elementsEqual([dot]) {
        // `.` alone is the root; elsewhere nobody writes it.
        guard parts.isEmpty, end >= name.count - 1 else {
          throw Self.refusal("'.' in the name", name)
        }
      } else {
        if part.count > LayerLimit.nameBytes { throw Self.refusal("name too long", name) }
        parts.append(index..<end)
      }
      index = end + 1
    }
  }

  var isRoot: Bool { parts.isEmpty }

  static func refusal(_ what: String, _ name: [UInt8]) -> StreamError {
    StreamError(.malformed, "TOC: \(what): \(String(decoding: name.prefix(300), as: UTF8.self))")
  }
}

private let slash = UInt8(ascii: "/")
private let dot = UInt8(ascii: ".")
