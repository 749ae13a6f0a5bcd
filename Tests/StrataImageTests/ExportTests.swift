import StrataImage
import StrataJSON
import StrataModel
import StrataStore
import StrataSystem
import StrataTestSupport
import Testing

@Suite(
  "Exporting to what real tools read", .serialized, .tags(.interop, .root), .needsRoot,
  .needsTool("podman"), .needsTool("umoci"), .needsTool("skopeo"), .needsTool("fuse-overlayfs"),
  .timeLimit(.minutes(5)))
struct ExportTests {
  /// An image that podman loaded, in the root of ours; its layers have whiteouts.
  private func labWithImage() throws -> (ImageLab, ImageRecord) {
    let lab = try ImageLab()
    let layout = try lab.umociLayout()
    try lab.podman(lab.ours, "pull", "-q", "oci:\(layout):v1")
    let image = try #require(try lab.store.images().first)
    _ = try lab.store.setNames(image.id, ["localhost/x:v1"], kind: .image)
    return (lab, try lab.store.image(image.id))
  }

  /// Config digest and diff IDs as skopeo reads them.
  private func identity(_ lab: ImageLab, _ target: String) throws -> (
    config: Digest, diffIDs: [String]
  ) {
    let config = try lab.run("skopeo", "inspect", "--config", "--raw", target).stdout
    let json = try JSONValue(parsing: config)
    return (sha256(config), json["rootfs"]?["diff_ids"]?.strings ?? [])
  }

  @Test(
    "every form has the same config and diff IDs, and skopeo copies and podman loads it",
    arguments: ["oci:FILE:v1", "oci-archive:FILE:v1", "docker-archive:FILE"])
  func forms(form: String) throws {
    let (lab, image) = try labWithImage()
    let target = form.replacing("FILE", with: lab.path("out"))
    let destination = try #require(ImageDestination(target))
    let digest = try exportImage(image.id, from: lab.store, to: destination)
    let (config, diffIDs) = try identity(lab, target)
    #expect(config.hex == image.id)
    let source = try lab.run(
      "skopeo", "inspect", "--config", "--raw", "oci:\(lab.path("layout")):v1")
    #expect(diffIDs == (try JSONValue(parsing: source.stdout))["rootfs"]?["diff_ids"]?.strings)
    // skopeo verifies every digest while it copies.
    try lab.run("skopeo", "copy", "-q", target, "dir:\(lab.path("copy"))")
    if form.hasPrefix("oci") {
      let raw = try lab.run("skopeo", "inspect", "--raw", target).stdout
      #expect(sha256(raw) == digest)
    }
    try lab.podman(lab.theirs, "pull", "-q", target)
    #expect(try lab.records(lab.theirs, "images").first?["id"]?.string == image.id)
    let layers = try lab.records(lab.theirs, "layers").map { $0["id"]?.string }
    #expect(layers == (try lab.records(lab.ours, "layers").map { $0["id"]?.string }))
  }

  @Test("umoci unpacks what was exported")
  func umoci() throws {
    let (lab, image) = try labWithImage()
    let out = lab.path("out")
    try exportImage(
      image.id, from: lab.store, to: .ociLayout(RawPath(out), tag: "v1"))
    for (layout, bundle) in [(out, "ours"), (lab.path("layout"), "source")] {
      try lab.run("umoci", "unpack", "--image", "\(layout):v1", lab.path(bundle))
    }
    try lab.run(
      "diff", "-r", "--no-dereference", lab.path("ours/rootfs"), lab.path("source/rootfs"))
    #expect(try read(lab.path("ours/rootfs/data/b")) == Array("changed".utf8))
  }

  @Test("a docker-archive is the one that podman save writes, byte for byte")
  func dockerArchive() throws {
    let (lab, _) = try labWithImage()
    try lab.podman(lab.ours, "save", "-q", "-o", lab.path("theirs.tar"), "localhost/x:v1")
    try exportImage(
      "localhost/x:v1", from: lab.store,
      to: .dockerArchive(RawPath(lab.path("ours.tar")), name: nil))
    #expect(try read(lab.path("ours.tar")) == read(lab.path("theirs.tar")))
  }

  @Test("a layout takes more images, and another one under the same tag")
  func layoutOfSeveral() throws {
    let (lab, image) = try labWithImage()
    let layout = RawPath(lab.path("out"))
    let first = try exportImage(image.id, from: lab.store, to: .ociLayout(layout, tag: "one"))
    try exportImage(image.id, from: lab.store, to: .ociLayout(layout, tag: "two"))
    let tar = try lab.layerTar()
    let other = try importImage(.layerTar(RawPath(tar)), into: lab.store)
    let second = try exportImage(other.id, from: lab.store, to: .ociLayout(layout, tag: "two"))
    #expect(first != second)
    let tags = try lab.run("umoci", "list", "--layout", layout.description).lines
    #expect(tags.sorted() == ["one", "two"])
    #expect(
      sha256(try lab.run("skopeo", "inspect", "--raw", "oci:\(layout):two").stdout) == second)
    #expect(
      sha256(try lab.run("skopeo", "inspect", "--raw", "oci:\(layout):one").stdout) == first)
  }

  @Test("compression is gzip unless asked otherwise", arguments: Compression.allCases)
  func compressions(compression: Compression) throws {
    let (lab, image) = try labWithImage()
    var options = ExportOptions()
    options.compression = compression
    let target = "oci:\(lab.path("out")):v1"
    if compression == .xz || compression == .bzip2 {
      #expect(throws: StoreError.self) {
        try exportImage(
          image.id, from: lab.store, to: .ociLayout(RawPath(lab.path("out")), tag: "v1"),
          options: options)
      }
      return
    }
    try exportImage(
      image.id, from: lab.store, to: .ociLayout(RawPath(lab.path("out")), tag: "v1"),
      options: options)
    try lab.run("skopeo", "copy", "-q", target, "dir:\(lab.path("copy"))")
    let again = try importImage(ImageSource(target), into: lab.store)
    #expect(again.id == image.id)
  }

  @Test("a layer that was changed in the store is not exported, and nothing is left")
  func changedLayer() throws {
    let (lab, image) = try labWithImage()
    let layer = try #require(try lab.store.layers().first)
    let file = lab.ours.graphRoot.appending(RawPath("overlay/\(layer.id)/diff/etc/motd"))
    try write(Array("other".utf8), to: file.description)
    for destination in [
      ImageDestination.ociLayout(RawPath(lab.path("out")), tag: nil),
      .ociArchive(RawPath(lab.path("out.tar")), tag: nil),
      .dockerArchive(RawPath(lab.path("out.tar")), name: nil),
    ] {
      #expect(throws: StoreError.self) {
        try exportImage(image.id, from: lab.store, to: destination)
      }
    }
    let left = try lab.scratch.directory.entries().map(\.name)
    #expect(!left.contains("out"))
    #expect(!left.contains("out.tar"))
    #expect(left.allSatisfy { !$0.hasPrefix(".strata") })
  }

  @Test("a folder of other things is not made into a layout")
  func foreignFolder() throws {
    let (lab, image) = try labWithImage()
    try lab.scratch.write("out/file", "x")
    #expect(throws: StoreError.self) {
      try exportImage(
        image.id, from: lab.store, to: .ociLayout(RawPath(lab.path("out")), tag: nil))
    }
    #expect(try lab.run("ls", "-A", lab.path("out")).output == "file\n")
  }

  @Test("an image that is not there is said so")
  func unknownImage() throws {
    let lab = try ImageLab()
    let error = #expect(throws: StoreError.self) {
      try exportImage("nosuch", from: lab.store, to: .ociArchive("/tmp/x", tag: nil))
    }
    #expect(error?.code == .imageUnknown)
  }
}
