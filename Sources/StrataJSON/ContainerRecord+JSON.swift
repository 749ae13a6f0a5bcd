package import StrataModel

private let members = RecordSchema(
  ("id", .id),
  ("names", .names),
  ("image", .text),
  ("layer", .parent),
  ("metadata", .text),
  ("big-data-names", .strings),
  ("big-data-sizes", .sizes),
  ("big-data-digests", .digests),
  ("created", .time),
  ("uidmap", .maps),
  ("gidmap", .maps),
  ("flags", .flags))

extension ContainerRecord: JSONRecord {
  /// The members of the record.
  package static var schema: RecordSchema { members }

  /// Reads one record of containers.json.
  package init(decoding scanner: inout JSONScanner) throws(JSONError) {
    self.init(id: "", image: "", layer: "", created: .zero)
    let unknown = try scanner.object(of: members) { (number, _, scanner) throws(JSONError) in
      switch number {
      case 0: id = try scanner.string()
      case 1: names = try scanner.strings()
      case 2: image = try scanner.string()
      case 3: layer = try scanner.string()
      case 4: metadata = try scanner.string()
      case 5: bigDataNames = try scanner.strings()
      case 6: bigDataSizes = try scanner.sizes()
      case 7: (bigDataDigests, oddDigests) = try scanner.digests()
      case 8: created = try scanner.time()
      case 9: mappings.uids = try scanner.idMaps()
      case 10: mappings.gids = try scanner.idMaps()
      default: flags = try scanner.flags()
      }
    }
    unknownMembers += unknown
  }

  /// Writes the record as the Go tools spell it.
  package func encode(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.name("id")
    writer.string(id)
    writer.member("names", nonEmpty: names)
    writer.name("image")
    writer.string(image)
    writer.name("layer")
    writer.string(layer)
    writer.member("metadata", nonEmpty: metadata)
    writer.member("big-data-names", nonEmpty: bigDataNames)
    writer.member("big-data-sizes", nonEmpty: bigDataSizes)
    writer.member("big-data-digests", digests: bigDataDigests, odd: oddDigests)
    writer.name("created")
    writer.string(created.description)
    writer.member("uidmap", nonEmpty: mappings.uids)
    writer.member("gidmap", nonEmpty: mappings.gids)
    writer.member("flags", nonEmpty: flags)
    writer.members(unknownMembers)
    writer.endObject()
  }
}
