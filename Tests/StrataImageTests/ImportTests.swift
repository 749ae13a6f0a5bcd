import StrataImage
import StrataJSON
import StrataModel
import StrataStore
import StrataSystem
import StrataTestSupport
import Testing

@Suite(
  "Importing what real tools made", .serialized, .tags(.interop, .root), .needsRoot,
  .needsTool("podman"), .needsTool("umoci"), .needsTool("skopeo"), .needsTool("fuse-overlayfs"),
  .timeLimit(.minutes(5)))
struct ImportTests {
  /// A form of an image, and how skopeo is told to make it of another.
  struct Form: Sendable, CustomTestStringConvertible {
    var name: String
    var skopeo: String
    var arguments: [String] = []
    var testDescription: String { name }
  }

  @Test(
    "writes the records and items that podman writes",
    arguments: [
      Form(name: "oci", skopeo: "oci:FILE:v1"),
      Form(name: "oci raw", skopeo: "oci:FILE:v1", arguments: ["--dest-decompress"]),
      Form(
        name: "oci zstd", skopeo: "oci:FILE:v1",
        arguments: ["--dest-compress-format", "zstd", "--dest-compress"]),
      Form(name: "oci-archive", skopeo: "oci-archive:FILE:v1"),
      Form(name: "docker-archive", skopeo: "docker-archive:FILE:localhost/x:v1"),
    ])
  func sameRecords(form: Form) throws {
    let lab = try ImageLab()
    let layout = try lab.umociLayout()
    let target = form.skopeo.replacing("FILE", with: lab.path("image"))
    try lab.run("skopeo", ["copy", "-q"] + form.arguments + ["oci:\(layout):v1", target])
    try lab.podman(lab.theirs, "pull", "-q", target)
    var options = ImportOptions()
    options.names = try lab.podman(lab.theirs, "images", "--format", "{{.Repository}}:{{.Tag}}")
      .lines
    let record = try importImage(ImageSource(target), into: lab.store, options: options)
    #expect(record.names == options.names)
    #expect(record.namesHistory == options.names)
    try lab.expectSameImages()
    // And the other way round: podman knows every layer and image, and adds none.
    let before = try lab.records(lab.ours, "layers")
    try lab.podman(lab.ours, "pull", "-q", target)
    #expect(try lab.records(lab.ours, "layers") == before)
    try lab.expectSameImages()
  }

  @Test("a plain layer tar becomes the image that podman import makes", arguments: ["", ".gz"])
  func layerTar(suffix: String) throws {
    let lab = try ImageLab()
    let plain = try lab.layerTar()
    if !suffix.isEmpty { try lab.run("gzip", "-k", plain) }
    let changes = ["CMD [\"/bin/sh\"]", "ENV A=b", "EXPOSE 80", "WORKDIR /data", "LABEL a=\"b c\""]
    try lab.podman(
      lab.theirs, "import", "-q", "-m", "made & <kept>", "-c", changes[0], "-c", changes[1], "-c",
      changes[2], "-c", changes[3], "-c", changes[4], plain + suffix, "two")
    var options = ImportOptions()
    options.names = ["two"]
    options.message = "made & <kept>"
    options.changes = changes
    let source = ImageSource.detect(RawPath(plain + suffix))
    let record = try importImage(source, into: lab.store, options: options)
    #expect(record.names == ["localhost/two:latest"])
    try lab.expectSameImages()
  }

  @Test("podman lists, inspects, mounts, runs and removes what Strata imported")
  func podmanUses() throws {
    let lab = try ImageLab()
    let layout = try lab.umociLayout()
    var options = ImportOptions()
    options.names = ["mine:1"]
    let record = try importImage(
      .ociLayout(RawPath(layout), tag: nil), into: lab.store, options: options)
    #expect(
      try lab.podman(lab.ours, "images", "-q", "--no-trunc", "localhost/mine:1").output
        == "sha256:\(record.id)\n")
    let inspect = try lab.podman(lab.ours, "inspect", "mine:1")
    #expect(inspect.output.contains(#"GREETING=<hi> & \"bye\""#))
    let ran = try lab.podman(
      lab.ours, "run", "--rm", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000",
      "--network=none", "mine:1", "/bin/sh", "-c", "ls -R /data; cat /data/b")
    #expect(ran.output == "/data:\nb\nsub\n\n/data/sub:\nmotd\nchanged")
    try lab.podman(lab.ours, "rmi", "mine:1")
    #expect(try lab.store.layers().isEmpty)
  }

  @Test("an index leads to the image for this machine and is kept")
  func index() throws {
    let lab = try ImageLab()
    let layout = try lab.umociLayout()
    try lab.nestIndex(layout, tag: "v1")
    try lab.podman(lab.theirs, "pull", "-q", "oci:\(layout):v1")
    var options = ImportOptions()
    options.names = try lab.podman(lab.theirs, "images", "--format", "{{.Repository}}:{{.Tag}}")
      .lines
    _ = try importImage(.ociLayout(RawPath(layout), tag: "v1"), into: lab.store, options: options)
    try lab.expectSameImages()
  }

  @Test("an image that is there already under another manifest is brought up to date as by podman")
  func secondManifest() throws {
    let lab = try ImageLab()
    let layout = try lab.umociLayout()
    try lab.run(
      "skopeo", "copy", "-q", "oci:\(layout):v1",
      "docker-archive:\(lab.path("a.tar")):localhost/second:1")
    for source in ["oci:\(layout):v1", "docker-archive:\(lab.path("a.tar"))"] {
      try lab.podman(lab.theirs, "pull", "-q", source)
      let image = try #require(try lab.records(lab.theirs, "images").first)
      var options = ImportOptions()
      options.names = [try #require(image["names"]?.strings?.first)]
      _ = try importImage(ImageSource(source), into: lab.store, options: options)
      try lab.expectSameImages()
    }
    #expect(try lab.store.images().first?.bigDataNames.count == 6)
  }

  @Test("an image without layers has a record without a layer")
  func noLayers() throws {
    let lab = try ImageLab()
    let layout = lab.path("empty")
    try lab.run("umoci", "init", "--layout", layout)
    try lab.run("umoci", "new", "--image", "\(layout):v1")
    try lab.podman(lab.theirs, "pull", "-q", "oci:\(layout):v1")
    var options = ImportOptions()
    options.names = try lab.podman(lab.theirs, "images", "--format", "{{.Repository}}:{{.Tag}}")
      .lines
    let record = try importImage(.detect(RawPath(layout)), into: lab.store, options: options)
    #expect(record.layer == nil)
    #expect(
      try lab.records(lab.ours, "images").map { $0.text() }
        == lab.records(lab.theirs, "images").map { $0.text() })
  }

  @Test("one of several images is chosen by tag or name; without one the choices are told")
  func severalImages() throws {
    let lab = try ImageLab()
    let layout = try lab.umociLayout()
    try lab.run("umoci", "tag", "--image", "\(layout):v1", "v2")
    try lab.run("umoci", "config", "--image", "\(layout):v2", "--config.cmd", "/bin/ls")
    #expect(
      throws: StoreError(
        .usage, "\(layout): more than one image, choose one by its tag; tags: v1, v2")
    ) {
      try importImage(.detect(RawPath(layout)), into: lab.store)
    }
    #expect(throws: StoreError(.usage, "\(layout): no image with the tag \"v3\"; tags: v1, v2")) {
      try importImage(.ociLayout(RawPath(layout), tag: "v3"), into: lab.store)
    }
    let first = try importImage(.ociLayout(RawPath(layout), tag: "v1"), into: lab.store)
    let second = try importImage(.ociLayout(RawPath(layout), tag: "v2"), into: lab.store)
    #expect(first.id != second.id)
    #expect(first.layer == second.layer)
    #expect(second.names == ["localhost/layout:v2"])
    let archive = lab.path("several.tar")
    try lab.podman(
      lab.ours, "save", "-q", "-m", "-o", archive, "localhost/layout:v1", "localhost/layout:v2")
    #expect(throws: StoreError.self) {
      try importImage(.dockerArchive(RawPath(archive), reference: nil), into: lab.store)
    }
    let again = try importImage(
      .dockerArchive(RawPath(archive), reference: "layout:v2"), into: lab.store)
    #expect(again.id == second.id)
    let byNumber = try importImage(
      .dockerArchive(RawPath(archive), reference: "@0"), into: lab.store)
    #expect(byNumber.id == first.id)
  }
}

extension ImageLab {
  /// Puts an index between index.json and the image of a tag, with an entry for another processor
  /// that leads nowhere.
  func nestIndex(_ layout: String, tag: String) throws {
    let top = RawPath(layout).appending("index.json")
    let cwd = FileDescriptor.workingDirectory
    let old = try JSONValue(parsing: cwd.contents(of: top))
    var entry = try #require(old["manifests"]?.array?.first)
    entry["annotations"] = nil
    entry["platform"] = .members([("architecture", .string("amd64")), ("os", .string("linux"))])
    var other = entry
    other["digest"] = .string("sha256:" + String(repeating: "0", count: 64))
    other["platform"] = .members([("architecture", .string("s390x")), ("os", .string("linux"))])
    let type = "application/vnd.oci.image.index.v1+json"
    let index = JSONValue.members([
      ("schemaVersion", .integer(2)), ("mediaType", .string(type)),
      ("manifests", .array([other, entry])),
    ]).encoded()
    let digest = sha256(index)
    try write(index, to: "\(layout)/blobs/sha256/\(digest.hex)")
    let descriptor = JSONValue.members([
      ("mediaType", .string(type)), ("digest", .string(digest.description)),
      ("size", .integer(index.count)),
      ("annotations", .members([("org.opencontainers.image.ref.name", .string(tag))])),
    ])
    let new = JSONValue.members([
      ("schemaVersion", .integer(2)), ("manifests", .array([descriptor])),
    ])
    try write(new.encoded(), to: top.description)
  }
}
