package import StrataModel

private let members = RecordSchema(
  ("id", .id),
  ("path", .text),
  ("count", .integer))

extension MountRecord: JSONRecord {
  /// The members of the record.
  package static var schema: RecordSchema { members }

  /// Reads one record of mountpoints.json.
  package init(decoding scanner: inout JSONScanner) throws(JSONError) {
    self.init(id: "", path: "", count: 0)
    let unknown = try scanner.object(of: members) { (number, _, scanner) throws(JSONError) in
      switch number {
      case 0: id = try scanner.string()
      case 1: path = try scanner.string()
      default: count = Int(try scanner.integer(Int64(Int32.min)...Int64(Int32.max)))
      }
    }
    unknownMembers += unknown
  }

  /// Writes the record as the Go tools spell it.
  package func encode(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.name("id")
    writer.string(id)
    writer.name("path")
    writer.string(path)
    writer.name("count")
    writer.integer(count)
    writer.members(unknownMembers)
    writer.endObject()
  }
}
