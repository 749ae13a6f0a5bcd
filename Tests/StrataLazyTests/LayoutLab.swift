import StrataDigest
import StrataJSON
import StrataLazy
import StrataModel
import StrataSystem
import StrataTestSupport

/// An OCI image layout made blob by blob.
struct LayoutLab {
  let scratch: ScratchDirectory
  private var manifests: [JSONValue] = []

  init(_ scratch: ScratchDirectory) throws {
    self.scratch = scratch
    try scratch.write("layout/oci-layout", #"{"imageLayoutVersion":"1.0.0"}"#)
    try scratch.makeDirectory("layout/blobs/sha256")
  }

  var path: RawPath { scratch.path("layout") }

  /// Writes a blob and returns its descriptor.
  func add(_ bytes: [UInt8], mediaType: String) throws -> LayerDescriptor {
    let digest = Digester.digest(of: bytes)
    try scratch.write(RawPath("layout/blobs/sha256/\(digest.hex)"), bytes)
    return LayerDescriptor(digest: digest, size: Int64(bytes.count), mediaType: mediaType)
  }

  /// Adds an image of these layers under a name; returns the digest of its manifest.
  @discardableResult
  mutating func addImage(
    named name: String, layers: [LayerDescriptor], diffIDs: [Digest]
  ) throws -> Digest {
    let config = JSONValue.members([
      ("architecture", .string("amd64")), ("os", .string("linux")),
      (
        "rootfs",
        .members([
          ("type", .string("layers")), ("diff_ids", .strings(diffIDs.map(\.description))),
        ])
      ),
    ])
    let configDescriptor = try add(
      config.encoded(), mediaType: "application/vnd.oci.image.config.v1+json")
    let manifest = JSONValue.members([
      ("schemaVersion", .integer(2)),
      ("config", json(configDescriptor)), ("layers", .array(layers.map { json($0) })),
    ])
    let descriptor = try add(
      manifest.encoded(), mediaType: "application/vnd.oci.image.manifest.v1+json")
    manifests.append(json(descriptor, ["org.opencontainers.image.ref.name": name]))
    let index = JSONValue.members([
      ("schemaVersion", .integer(2)), ("manifests", .array(manifests)),
    ])
    try scratch.write("layout/index.json", index.encoded())
    return descriptor.digest
  }

  private func json(
    _ descriptor: LayerDescriptor, _ annotations: [String: String] = [:]
  ) -> JSONValue {
    let all = descriptor.annotations.merging(annotations) { $1 }
    var members: [(String, JSONValue)] = [
      ("mediaType", .string(descriptor.mediaType)),
      ("digest", .string(descriptor.digest.description)), ("size", .integer(descriptor.size)),
    ]
    if !all.isEmpty {
      members.append(
        (
          "annotations",
          .members(all.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })
        )
      )
    }
    return .members(members)
  }
}
