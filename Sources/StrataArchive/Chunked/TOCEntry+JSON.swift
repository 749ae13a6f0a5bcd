import StrataJSON
import StrataModel
import StrataSystem

extension TOCEntry {
  /// Reads one row; members that are unknown are passed over, and the later of two wins.
  init(json: [UInt8]) throws(JSONError) {
    self.init()
    var scanner = JSONScanner(json)
    try scanner.expect(UInt8(ascii: "{"))
    var first = true
    var hasType = false
    while let key = try scanner.nextKey(&first) {
      if try scanner.skipNull() { continue }
      let name = scanner.text(key)
      if try !read(name, &scanner, &hasType), try !read(name.lowercased(), &scanner, &hasType) {
        _ = try scanner.skipValue()
      }
    }
    try scanner.expectEnd()
    if !hasType { throw JSONError("a row without a type", at: 0) }
  }

  /// Reads the value of a member; false, and nothing is consumed, where the name is none.
  private mutating func read(
    _ member: String, _ scanner: inout JSONScanner, _ hasType: inout Bool
  ) throws(JSONError) -> Bool {
    let anyNumber = Int64.min...Int64.max
    let place = 0...Int64.max
    switch member {
    case "name": name = Array(try scanner.string().utf8)
    case "type":
      kind = try Self.kind(&scanner)
      hasType = true
    case "size": size = try scanner.integer(place)
    case "mode": mode = try scanner.integer(anyNumber)
    case "modtime": modificationTime = try Self.time(&scanner)
    case "uid": uid = try scanner.integer(anyNumber)
    case "gid": gid = try scanner.integer(anyNumber)
    case "linkName", "linkname": linkName = Array(try scanner.string().utf8)
    case "offset": offset = try scanner.integer(place)
    case "endOffset", "endoffset": endOffset = try scanner.integer(place)
    case "innerOffset", "inneroffset": innerOffset = try scanner.integer(place)
    case "digest": digest = try Self.digest(&scanner)
    case "chunkOffset", "chunkoffset": chunkOffset = try scanner.integer(place)
    case "chunkSize", "chunksize": chunkSize = try scanner.integer(place)
    case "chunkDigest", "chunkdigest": chunkDigest = try Self.digest(&scanner)
    case "chunkType", "chunktype":
      let start = scanner.position
      switch try scanner.string() {
      case "": isHole = false
      case "zeros": isHole = true
      default: throw JSONError("a chunk of an unknown type", at: start)
      }
    case "xattrs": xattrs = try Self.xattrs(&scanner)
    case "devMajor", "devmajor": deviceMajor = try scanner.integer(anyNumber)
    case "devMinor", "devminor": deviceMinor = try scanner.integer(anyNumber)
    default: return false
    }
    return true
  }

  private static func kind(_ scanner: inout JSONScanner) throws(JSONError) -> Kind {
    let start = scanner.position
    return switch try scanner.string() {
    case "reg": .regular
    case "dir": .directory
    case "symlink": .symlink
    case "hardlink": .hardLink
    case "chunk": .chunk
    case "char": .characterDevice
    case "block": .blockDevice
    case "fifo": .fifo
    default: throw JSONError("a row of an unknown type", at: start)
    }
  }

  /// A time; an empty text is none, which is the epoch.
  private static func time(_ scanner: inout JSONScanner) throws(JSONError) -> TarHeader.Time {
    let start = scanner.position
    let text = try scanner.string()
    if text.isEmpty { return TarHeader.Time(seconds: 0) }
    guard let time = Timestamp(text) else { throw JSONError("a time that is none", at: start) }
    // Go's zero time stands for no time.
    if time == .zero { return TarHeader.Time(seconds: 0) }
    return TarHeader.Time(seconds: time.seconds, nanoseconds: time.nanoseconds)
  }

  private static func digest(_ scanner: inout JSONScanner) throws(JSONError) -> SHA256Value? {
    let (range, escaped) = try scanner.stringRange()
    if range.isEmpty { return nil }
    guard !escaped, let digest = SHA256Value(ascii: scanner.bytes[range]) else {
      throw JSONError("a digest that is no SHA-256", at: range.lowerBound)
    }
    return digest
  }

  private static func xattrs(_ scanner: inout JSONScanner) throws(JSONError) -> [TarHeader.Xattr] {
    try scanner.expect(UInt8(ascii: "{"))
    var result: [TarHeader.Xattr] = []
    var first = true
    while let key = try scanner.nextKey(&first) {
      let name = Array(scanner.text(key).utf8)
      var value: [UInt8] = []
      if try !scanner.skipNull() {
        let (range, escaped) = try scanner.stringRange()
        let text = escaped ? Array(scanner.unescaped(range).utf8)[...] : scanner.bytes[range]
        guard value.appendDecoded(base64: text) else {
          throw JSONError("an attribute's value that is no base 64", at: range.lowerBound)
        }
      }
      result.removeAll { $0.name == name }
      result.append(TarHeader.Xattr(name: name, value: value))
      if result.count > 4096 { throw JSONError("too many attributes", at: scanner.position) }
    }
    return result
  }
}
