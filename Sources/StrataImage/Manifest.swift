import StrataDigest
package import StrataJSON
package import StrataModel
import StrataSystem

/// A pointer to a blob: what it is, its digest and its size.
package struct Descriptor: Sendable {
  package var mediaType: String
  package var digest: Digest
  package var size: Int64
  /// The whole JSON object, with annotations and platform.
  package var json: JSONValue

  /// Reads a descriptor; `what` is for messages.
  package init(_ json: JSONValue, what: String) throws(StoreError) {
    guard let text = json["digest"]?.string else { throw malformed("\(what) has no digest") }
    do throws(Digest.ParseError) {
      digest = try Digest(text)
    } catch {
      throw malformed("\(what): digest \(quoted(text)): \(error)")
    }
    guard let size = json["size"]?.int64, size >= 0 else { throw malformed("\(what) has no size") }
    self.size = size
    mediaType = json["mediaType"]?.string ?? ""
    self.json = json
  }

  /// A descriptor of a blob that we have.
  init(mediaType: String, digest: Digest, size: Int64, annotations: [String: String]) {
    self.init(mediaType: mediaType, digest: digest, size: size)
    json["annotations"] = .members(
      annotations.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
  }

  /// As above, without annotations.
  package init(mediaType: String, digest: Digest, size: Int64) {
    self.mediaType = mediaType
    self.digest = digest
    self.size = size
    json = .members([
      ("mediaType", .string(mediaType)), ("digest", .string(digest.description)),
      ("size", .integer(size)),
    ])
  }

  package func annotation(_ name: String) -> String? { json["annotations"]?[name]?.string }
}

/// An image manifest, of OCI or of Docker's schema 2.
///
/// Its bytes are kept as they came.
package struct Manifest: Sendable {
  package let bytes: [UInt8]
  package let mediaType: String
  package let config: Descriptor
  package let layers: [Descriptor]

  /// Reads a manifest; `what` is for messages, `mediaType` what its descriptor says.
  package init(_ bytes: [UInt8], mediaType: String, what: String) throws(StoreError) {
    let json = try parseJSON(bytes, what: what)
    self.bytes = bytes
    if json["schemaVersion"]?.int64 == 1 {
      throw StoreError(.notSupported, "\(what): schema 1 manifests are not supported")
    }
    // The member is optional in OCI manifests, and wins where it is there.
    let type = json["mediaType"]?.string ?? mediaType
    self.mediaType = type.isEmpty ? MediaType.ociManifest : type
    guard MediaType.manifests.contains(self.mediaType) else {
      throw StoreError(.notSupported, "\(what): unsupported media type \(quoted(self.mediaType))")
    }
    guard let config = json["config"], let layers = json["layers"]?.array else {
      throw malformed("\(what) has no config and layers")
    }
    self.config = try Descriptor(config, what: "\(what): config")
    guard MediaType.configs.contains(self.config.mediaType) else {
      throw StoreError(
        .notSupported,
        "\(what): config of unsupported media type \(quoted(self.config.mediaType)): no image")
    }
    var descriptors: [Descriptor] = []
    for (number, layer) in layers.enumerated() {
      let descriptor = try Descriptor(layer, what: "\(what): layer \(number + 1)")
      guard MediaType.isLayer(descriptor.mediaType) else {
        throw StoreError(
          .notSupported,
          "\(what): layer \(number + 1) of unsupported media type \(quoted(descriptor.mediaType))")
      }
      descriptors.append(descriptor)
    }
    self.layers = descriptors
  }

  package var isOCI: Bool { mediaType == MediaType.ociManifest }

  /// The OCI manifest of a config and layers, in the spelling of the Go tools.
  ///
  /// `statesType` puts the optional `mediaType` in, as podman's commit does and its import does not.
  static func oci(config: Descriptor, layers: [Descriptor], statesType: Bool) -> [UInt8] {
    var members: [(String, JSONValue)] = [("schemaVersion", .integer(2))]
    if statesType { members.append(("mediaType", .string(MediaType.ociManifest))) }
    members.append(("config", config.json))
    members.append(("layers", .array(layers.map(\.json))))
    return JSONValue.members(members).encoded()
  }

  /// The schema 2 manifest that image-copy code makes of a docker-archive, byte for byte: its
  /// descriptors have size before digest, and its layers claim gzip (storage-format 2.3).
  static func docker(config: Descriptor, layers: [Descriptor]) -> [UInt8] {
    func json(_ descriptor: Descriptor) -> JSONValue {
      .members([
        ("mediaType", .string(descriptor.mediaType)), ("size", .integer(descriptor.size)),
        ("digest", .string(descriptor.digest.description)),
      ])
    }
    return JSONValue.members([
      ("schemaVersion", .integer(2)), ("mediaType", .string(MediaType.dockerManifest)),
      ("config", json(config)), ("layers", .array(layers.map(json))),
    ]).encoded()
  }
}

/// Parses JSON; `what` is for messages.
package func parseJSON(_ bytes: [UInt8], what: String) throws(StoreError) -> JSONValue {
  do throws(JSONError) {
    return try JSONValue(parsing: bytes)
  } catch {
    throw malformed("\(what) is no JSON: \(error)")
  }
}

/// SHA-256 or whatever algorithm `like` is of.
func digest(of bytes: [UInt8], like other: Digest) -> Digest {
  if other.algorithm == .sha256 { return Digester.digest(of: bytes) }
  var digester = Digester(other.algorithm)
  digester.update(bytes.rawSpan)
  return digester.finish()
}

/// Refuses bytes that are not what a descriptor promises.
func verify(_ bytes: [UInt8], _ descriptor: Descriptor, what: String) throws(StoreError) {
  guard Int64(bytes.count) == descriptor.size else {
    throw malformed("\(what) has \(bytes.count) bytes, not \(descriptor.size) as promised")
  }
  let found = digest(of: bytes, like: descriptor.digest)
  guard found == descriptor.digest else {
    // `what` names the one that was promised.
    throw malformed("\(what) has another digest than promised: \(found)")
  }
}
