import StrataImage
import StrataJSON
import StrataModel
import StrataStore
import StrataSystem
import StrataTestSupport
import Testing

@Suite(
  "A damaged image is refused in one line and leaves nothing", .serialized,
  .tags(.fuzz, .root), .needsRoot, .needsTool("fuse-overlayfs"), .timeLimit(.minutes(5)))
struct BadImageTests {
  /// What is done to a sound layout, and what the message must say.
  struct Damage: Sendable, CustomTestStringConvertible {
    var name: String
    var says: String
    var apply: @Sendable (inout HandMadeImage) throws -> Void
    var testDescription: String { name }
  }

  @Test(arguments: [
    Damage(name: "a layer is missing", says: "is missing") { $0.missing = [1] },
    Damage(name: "a layer is cut", says: "bytes, not") { $0.layerBlobs[1].removeLast(100) },
    Damage(name: "a byte of a layer is changed", says: "layer sha256:") {
      $0.layerBlobs[1][600] ^= 1
    },
    Damage(name: "a byte of a file in a layer is changed", says: "does not match") {
      let run = [UInt8](repeating: UInt8(ascii: "b"), count: 3000)
      let range = try #require($0.layerBlobs[1].ranges(of: run).first)
      $0.layerBlobs[1][range.lowerBound] = 0
    },
    Damage(name: "a layer is not what the config says", says: "diff ID is sha256:") {
      $0.diffIDs[1] = sha256([1])
    },
    Damage(name: "a layer is no tar", says: "layer sha256:") {
      $0.replaceLayer(1, Array("no tar at all".utf8))
    },
    Damage(name: "a layer ends in the middle of a file", says: "unexpected EOF") {
      $0.replaceLayer(1, Array($0.layerBlobs[1].prefix(700)))
    },
    Damage(name: "the config is not the promised one", says: "config sha256:") {
      $0.configSuffix = " "
    },
    Damage(name: "the config is no JSON", says: "is no JSON") { $0.config = Array("{".utf8) },
    Damage(name: "podman could not read the config", says: "\"created\"") {
      $0.config = Array(#"{"created":"2026-02-30T00:00:00Z","rootfs":{"diff_ids":[]}}"#.utf8)
    },
    Damage(name: "podman could not read the settings", says: "\"config.Env\"") {
      $0.config = Array(#"{"config":{"Env":"A=b"},"rootfs":{"diff_ids":[]}}"#.utf8)
    },
    Damage(name: "diff IDs and layers differ in number", says: "1 diff IDs for 2 layers") {
      $0.diffIDs.removeLast()
    },
    Damage(name: "a diff ID is no digest", says: "invalid checksum digest") {
      $0.config = Array(#"{"rootfs":{"type":"layers","diff_ids":["x","y"]}}"#.utf8)
    },
    Damage(name: "a layer is of an unknown kind", says: "unsupported media type \"text/plain\"") {
      $0.layerType = "text/plain"
    },
    Damage(name: "it is no image", says: "unsupported media type") {
      $0.configType = "application/vnd.example.config"
    },
    Damage(name: "the manifest is of schema 1", says: "schema 1") {
      $0.manifest = Array(#"{"schemaVersion":1}"#.utf8)
    },
    Damage(name: "the manifest is changed", says: "manifest sha256:") { $0.manifestSuffix = "\n" },
    Damage(name: "the index is no JSON", says: "index.json is no JSON") {
      $0.index = Array("[".utf8)
    },
    Damage(name: "the index is empty", says: "lists no image") {
      $0.index = Array(#"{"manifests":[]}"#.utf8)
    },
    Damage(name: "there is no index", says: "no index.json") { $0.index = [] },
    Damage(name: "the layout is of another version", says: "unsupported version") {
      $0.version = #"{"imageLayoutVersion":"2.0.0"}"#
    },
  ])
  func layout(damage: Damage) throws {
    let lab = try ImageLab()
    var image = try HandMadeImage(lab)
    try damage.apply(&image)
    let layout = try image.write(lab)
    let before = try lab.store.layers()
    let error = try #require(throws: StoreError.self) {
      try importImage(.ociLayout(RawPath(layout), tag: nil), into: lab.store)
    }
    #expect(error.message.contains(damage.says), "\(error)")
    #expect(error.message.contains(layout), "the message does not say where: \(error)")
    #expect(!error.message.contains("\n"))
    #expect(error.message.ranges(of: layout).count == 1, "\(error)")
    #expect(try lab.store.layers() == before)
    #expect(try lab.store.images().isEmpty)
    #expect(try lab.ours.layerDirectories().isEmpty)
    #expect(try lab.files(lab.ours, "overlay-layers").keys.allSatisfy { !$0.isTarSplit })
  }

  @Test("a sound image of the same making is taken")
  func sound() throws {
    let lab = try ImageLab()
    let image = try HandMadeImage(lab)
    let record = try importImage(
      .ociLayout(RawPath(try image.write(lab)), tag: nil), into: lab.store)
    #expect(try lab.store.layers().count == 2)
    #expect(record.layer == layerIDs(diffIDs: image.diffIDs).last)
  }

  @Test("an archive that is cut anywhere is refused", arguments: [1, 511, 1000, 3000])
  func cutArchive(at length: Int) throws {
    let lab = try ImageLab()
    let tar = try lab.layerTar()
    let bytes = try read(tar)
    try write(Array(bytes.prefix(length)), to: tar)
    let error = #expect(throws: StoreError.self) {
      try importImage(.detect(RawPath(tar)), into: lab.store)
    }
    #expect(error?.message.contains(tar) == true)
    #expect(try lab.store.layers().isEmpty)
  }

  @Test("names that are none are refused before anything is read")
  func badName() throws {
    let lab = try ImageLab()
    var options = ImportOptions()
    options.names = ["Upper"]
    #expect(
      throws: StoreError(
        .usage, "normalizing name \"Upper\": repository name must be lowercase")
    ) {
      try importImage(.detect("/nonexistent"), into: lab.store, options: options)
    }
  }

  @Test("what is not there or empty is said so")
  func missing() throws {
    let lab = try ImageLab()
    #expect(throws: StoreError(.system(2), "open /nonexistent: no such file or directory")) {
      try importImage(.detect("/nonexistent"), into: lab.store)
    }
    let empty = lab.path("empty")
    try write([], to: empty)
    #expect(throws: StoreError(.stream, "\(empty): empty file: unexpected EOF")) {
      try importImage(.detect(RawPath(empty)), into: lab.store)
    }
    try lab.scratch.makeDirectory("folder")
    let error = #expect(throws: StoreError.self) {
      try importImage(.detect(RawPath(lab.path("folder"))), into: lab.store)
    }
    #expect(error?.message.contains("no OCI image layout") == true)
  }

  @Test("a change that makes no sense is refused in podman's words")
  func badChanges() throws {
    let lab = try ImageLab()
    let tar = try lab.layerTar()
    for (change, reason) in [
      ("FOO x", "invalid instruction FOO"), ("CMD", "must be formatted as KEY VALUE"),
      ("EXPOSE 99999", "EXPOSE port must be a valid port number"),
      ("EXPOSE 80/foo", "EXPOSE protocol must be TCP or UDP"),
      ("LABEL a", "LABEL must be formatted key=value"),
      ("STOPSIGNAL foo", "KILLSIGNAL must be given a valid signal: invalid signal: foo"),
      ("ENV =b", "ENV must have at least one argument"),
    ] {
      var options = ImportOptions()
      options.changes = [change]
      #expect(throws: StoreError(.usage, "invalid change \"\(change)\" - \(reason)")) {
        try importImage(.layerTar(RawPath(tar)), into: lab.store, options: options)
      }
    }
    #expect(try lab.store.layers().isEmpty)
  }
}

extension RawPath {
  fileprivate var isTarSplit: Bool { description.hasSuffix(".tar-split.gz") }
}

/// An OCI image of two plain layers that is put together by hand, so that any part can be wrong.
struct HandMadeImage: Sendable {
  var layerBlobs: [[UInt8]]
  /// What the manifest says of them.
  var layerDigests: [Digest]
  var layerSizes: [Int]
  var diffIDs: [Digest]
  /// Layers whose blob is left out.
  var missing: Set<Int> = []
  var config: [UInt8]?
  var configSuffix = ""
  var configType = "application/vnd.oci.image.config.v1+json"
  var layerType = "application/vnd.oci.image.layer.v1.tar"
  var manifest: [UInt8]?
  var manifestSuffix = ""
  var index: [UInt8]?
  var version = #"{"imageLayoutVersion":"1.0.0"}"#

  init(_ lab: ImageLab) throws {
    layerBlobs = [try read(try lab.layerTar("one.tar"))]
    try lab.scratch.write("tree/data/b", String(repeating: "b", count: 3000))
    layerBlobs.append(try read(try lab.layerTar("two.tar")))
    layerDigests = layerBlobs.map(sha256)
    layerSizes = layerBlobs.map(\.count)
    diffIDs = layerDigests
  }

  /// Another blob, of which everything but the content is right.
  mutating func replaceLayer(_ number: Int, _ bytes: [UInt8]) {
    layerBlobs[number] = bytes
    layerDigests[number] = sha256(bytes)
    layerSizes[number] = bytes.count
    diffIDs[number] = sha256(bytes)
  }

  /// Writes the layout and returns its path.
  func write(_ lab: ImageLab) throws -> String {
    try lab.scratch.makeDirectory("hand/blobs/sha256")
    let layout = lab.path("hand")
    func put(_ bytes: [UInt8], _ digest: Digest) throws {
      try StrataImageTests.write(bytes, to: "\(layout)/blobs/sha256/\(digest.hex)")
    }
    func descriptor(_ type: String, _ digest: Digest, _ size: Int) -> JSONValue {
      .members([
        ("mediaType", .string(type)), ("digest", .string(digest.description)),
        ("size", .integer(size)),
      ])
    }
    for (number, blob) in layerBlobs.enumerated() where !missing.contains(number) {
      try put(blob, layerDigests[number])
    }
    let configBytes =
      config
      ?? JSONValue.members([
        ("architecture", .string("amd64")), ("os", .string("linux")),
        (
          "rootfs",
          .members([
            ("type", .string("layers")), ("diff_ids", .strings(diffIDs.map(\.description))),
          ])
        ),
      ]).encoded()
    try put(configBytes + Array(configSuffix.utf8), sha256(configBytes))
    let layers = zip(layerDigests, layerSizes).map { descriptor(layerType, $0, $1) }
    let manifestBytes =
      manifest
      ?? JSONValue.members([
        ("schemaVersion", .integer(2)),
        ("config", descriptor(configType, sha256(configBytes), configBytes.count)),
        ("layers", .array(layers)),
      ]).encoded()
    try put(manifestBytes + Array(manifestSuffix.utf8), sha256(manifestBytes))
    let type = "application/vnd.oci.image.manifest.v1+json"
    let indexBytes =
      index
      ?? JSONValue.members([
        ("schemaVersion", .integer(2)),
        ("manifests", .array([descriptor(type, sha256(manifestBytes), manifestBytes.count)])),
      ]).encoded()
    if !indexBytes.isEmpty { try StrataImageTests.write(indexBytes, to: "\(layout)/index.json") }
    try StrataImageTests.write(Array(version.utf8), to: "\(layout)/oci-layout")
    return layout
  }
}
