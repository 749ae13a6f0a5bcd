package import StrataModel

private let members = RecordSchema(
  ("id", .id),
  ("names", .names),
  ("parent", .parent),
  ("metadata", .text),
  ("mountlabel", .text),
  ("created", .time),
  ("compressed-diff-digest", .compressedDigest),
  ("compressed-size", .integer),
  ("diff-digest", .diffDigest),
  ("toc-digest", .tocDigest),
  ("diff-size", .integer),
  ("compression", .integer),
  ("uidset", .numbers),
  ("gidset", .numbers),
  ("flags", .flags),
  ("uidmap", .maps),
  ("gidmap", .maps),
  ("big-data-names", .strings))

extension LayerRecord: JSONRecord {
  /// The members of the record.
  package static var schema: RecordSchema { members }

  /// Reads one record of layers.json.
  package init(decoding scanner: inout JSONScanner) throws(JSONError) {
    self.init(id: "", created: .zero)
    let unknown = try scanner.object(of: members) { (number, key, scanner) throws(JSONError) in
      guard try !decodeIdentity(number, &scanner) else { return }
      try decodeContent(number, key, &scanner)
    }
    unknownMembers += unknown
  }

  private mutating func decodeIdentity(_ number: Int, _ scanner: inout JSONScanner)
    throws(JSONError) -> Bool
  {
    switch number {
    case 0: id = try scanner.string()
    case 1: names = try scanner.strings()
    case 2:
      let text = try scanner.string()
      parent = text.isEmpty ? nil : text
    case 3: metadata = try scanner.string()
    case 4: mountLabel = try scanner.string()
    case 5: created = try scanner.time()
    case 14: flags = try scanner.flags()
    case 15: mappings.uids = try scanner.idMaps()
    case 16: mappings.gids = try scanner.idMaps()
    case 17: bigDataNames = try scanner.strings()
    default: return false
    }
    return true
  }

  private mutating func decodeContent(_ number: Int, _ key: JSONKey, _ scanner: inout JSONScanner)
    throws(JSONError)
  {
    switch number {
    case 6: compressedDigest = try scanner.digest(key, &unknownMembers)
    case 7: compressedSize = try scanner.integer(Int64.min...Int64.max)
    case 8: diffID = try scanner.digest(key, &unknownMembers)
    case 9: tocDigest = try scanner.digest(key, &unknownMembers)
    case 10: diffSize = try scanner.integer(Int64.min...Int64.max)
    case 11:
      let start = scanner.position
      let value = try scanner.integer(Int64.min...Int64.max)
      if let known = Compression(rawValue: Int(value)) {
        compression = known
      } else {
        unknownMembers.append(
          UnknownMember(name: "compression", json: Array(scanner.bytes[start..<scanner.position])))
      }
    case 12: uids = try scanner.numbers()
    default: gids = try scanner.numbers()
    }
  }

  /// Writes the record as the Go tools spell it.
  package func encode(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.name("id")
    writer.string(id)
    writer.member("names", nonEmpty: names)
    writer.member("parent", nonEmpty: parent ?? "")
    writer.member("metadata", nonEmpty: metadata)
    writer.member("mountlabel", nonEmpty: mountLabel)
    writer.name("created")
    writer.string(created.description)
    writer.member("compressed-diff-digest", nonNil: compressedDigest)
    writer.member("compressed-size", nonZero: compressedSize)
    writer.member("diff-digest", nonNil: diffID)
    writer.member("toc-digest", nonNil: tocDigest)
    writer.member("diff-size", nonZero: diffSize)
    writer.member("compression", nonZero: compression.rawValue)
    writer.member("uidset", nonEmpty: uids)
    writer.member("gidset", nonEmpty: gids)
    writer.member("flags", nonEmpty: flags)
    writer.member("uidmap", nonEmpty: mappings.uids)
    writer.member("gidmap", nonEmpty: mappings.gids)
    writer.member("big-data-names", nonEmpty: bigDataNames)
    writer.members(unknownMembers) { name in
      switch name {
      case "compressed-diff-digest": compressedDigest != nil
      case "diff-digest": diffID != nil
      case "toc-digest": tocDigest != nil
      case "compression": compression != .none
      default: false
      }
    }
    writer.endObject()
  }
}
