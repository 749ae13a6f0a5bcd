package import StrataModel

private let members = RecordSchema(
  ("id", .id),
  ("digest", .text),
  ("names", .names),
  ("names-history", .strings),
  ("layer", .parent),
  ("mapped-layers", .strings),
  ("metadata", .text),
  ("big-data-names", .strings),
  ("big-data-sizes", .sizes),
  ("big-data-digests", .digests),
  ("created", .time),
  ("flags", .flags))

extension ImageRecord: JSONRecord {
  /// The members of the record.
  package static var schema: RecordSchema { members }

  /// Reads one record of images.json.
  ///
  /// A digest of the image or of a manifest item must be one: the peer refuses the whole file
  /// otherwise, in the same words.
  package init(decoding scanner: inout JSONScanner) throws(JSONError) {
    self.init(id: "", created: .zero)
    _ = scanner.peek()
    let start = scanner.position
    var odd: [UnknownMember] = []
    let unknown = try scanner.object(of: members) { (number, key, scanner) throws(JSONError) in
      switch number {
      case 0: id = try scanner.string()
      case 1: digest = try scanner.digest(key, &odd)
      case 2: names = try scanner.strings()
      case 3: namesHistory = try scanner.strings()
      case 4:
        let text = try scanner.string()
        layer = text.isEmpty ? nil : text
      case 5: mappedLayers = try scanner.strings()
      case 6: metadata = try scanner.string()
      case 7: bigDataNames = try scanner.strings()
      case 8: bigDataSizes = try scanner.sizes()
      case 9: (bigDataDigests, oddDigests) = try scanner.digests()
      case 10: created = try scanner.time()
      default: flags = try scanner.flags()
      }
    }
    unknownMembers += unknown
    try validateDigests(odd, start)
  }

  private func validateDigests(_ odd: [UnknownMember], _ start: Int) throws(JSONError) {
    var problem: String?
    if let json = odd.first?.json {
      var scanner = JSONScanner(json)
      let text = (try? scanner.string()) ?? ""
      problem = "validating image digest \(quoted(text)): \(reason(text))"
    } else if let name = bigDataNames.first(where: {
      $0.hasPrefix("manifest") && oddDigests[$0] != nil
    }) {
      let text = oddDigests[name] ?? ""
      problem =
        "validating digest \(quoted(text)) for big data item \(quoted(name)): \(reason(text))"
    }
    guard let problem else { return }
    throw JSONError(
      "computing digests for image with ID \(quoted(id)) ([\(names.joined(separator: " "))]): "
        + problem, at: start)
  }

  private func reason(_ text: String) -> String {
    do throws(Digest.ParseError) {
      _ = try Digest(text)
      return "invalid"
    } catch {
      return error.description
    }
  }

  /// Writes the record as the Go tools spell it.
  package func encode(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.name("id")
    writer.string(id)
    writer.member("digest", nonNil: digest)
    writer.member("names", nonEmpty: names)
    writer.member("names-history", nonEmpty: namesHistory)
    writer.member("layer", nonEmpty: layer ?? "")
    writer.member("mapped-layers", nonEmpty: mappedLayers)
    writer.member("metadata", nonEmpty: metadata)
    writer.member("big-data-names", nonEmpty: bigDataNames)
    writer.member("big-data-sizes", nonEmpty: bigDataSizes)
    writer.member("big-data-digests", digests: bigDataDigests, odd: oddDigests)
    writer.name("created")
    writer.string(created.description)
    writer.member("flags", nonEmpty: flags)
    writer.members(unknownMembers)
    writer.endObject()
  }
}
