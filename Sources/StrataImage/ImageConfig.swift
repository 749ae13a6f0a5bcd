package import StrataJSON
package import StrataModel

/// What Strata reads of an image's config.
///
/// The bytes themselves are never written anew: their digest
/// is the image's id.
package struct ImageConfig: Sendable {
  package let bytes: [UInt8]
  package let json: JSONValue
  /// The digests of the plain layer tars, lowest first.
  package let diffIDs: [Digest]

  /// Reads a config; `what` is for messages.
  package init(_ bytes: [UInt8], what: String) throws(StoreError) {
    self.bytes = bytes
    json = try parseJSON(bytes, what: what)
    guard case .object = json else { throw malformed("\(what) is no image config") }
    if let member = json.memberOfWrongType(ConfigShape.image) {
      throw malformed(
        "\(what): the value of \(quoted(member)) is none that an image can have there")
    }
    var diffIDs: [Digest] = []
    for entry in json["rootfs"]?["diff_ids"]?.array ?? [] {
      let text = entry.string ?? ""
      do throws(Digest.ParseError) {
        diffIDs.append(try Digest(text))
      } catch {
        throw malformed("\(what): diff ID \(quoted(text)): \(error)")
      }
    }
    self.diffIDs = diffIDs
  }

  /// When the image was made, if the config says so.
  var created: Timestamp? { json["created"]?.string.flatMap { Timestamp($0) } }

  /// The platform in words, as `linux/amd64`.
  package var platform: String {
    "\(json["os"]?.string ?? "linux")/\(json["architecture"]?.string ?? "unknown")"
  }
}

/// The processor as image formats name it.
#if arch(arm64)
  package let hostArchitecture = "arm64"
#elseif arch(x86_64)
  package let hostArchitecture = "amd64"
#else
  package let hostArchitecture = "unknown"
#endif
