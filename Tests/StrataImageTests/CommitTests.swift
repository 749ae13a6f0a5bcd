import StrataImage
import StrataJSON
import StrataModel
import StrataStore
import StrataSystem
import StrataTestSupport
import Testing

@Suite(
  "Committing a container", .serialized, .tags(.interop, .root, .fuse), .needsRoot, .needsFuse,
  .needsTool("podman"), .needsTool("umoci"), .needsTool("skopeo"), .needsTool("fuse-overlayfs"),
  .timeLimit(.minutes(5)))
struct CommitTests {
  /// A container of podman's that added, changed and removed files.
  private func labWithContainer() throws -> (ImageLab, ImageRecord) {
    let lab = try ImageLab()
    let layout = try lab.umociLayout()
    var options = ImportOptions()
    options.names = ["base:1"]
    let image = try importImage(
      .ociLayout(RawPath(layout), tag: "v1"), into: lab.store, options: options)
    try lab.podman(
      lab.ours, "run", "--name", "work", "--ulimit", "nofile=1024:1024", "--ulimit",
      "nproc=1000:1000", "--network=none", "base:1", "/bin/sh", "-c",
      "mkdir /new; cat /data/b >/new/f; rm /bin/ls; rm /etc/motd; touch /data/b")
    return (lab, image)
  }

  @Test("makes an image that podman runs and that holds what the container wrote")
  func commitRuns() throws {
    let (lab, base) = try labWithContainer()
    var options = CommitOptions()
    options.names = ["result"]
    options.author = "somebody"
    options.message = "changed a few files"
    options.changes = ["CMD [\"/bin/cat\", \"/new/f\"]", "ENV MORE=yes", "WORKDIR /new"]
    let image = try commit(container: "work", in: lab.store, options: options)
    #expect(image.names == ["localhost/result:latest"])
    let ran = try lab.podman(
      lab.ours, "run", "--rm", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000",
      "--network=none", "result")
    #expect(ran.output == "changed")
    let gone = try lab.podman(
      lab.ours, "run", "--rm", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000",
      "--network=none", "result", "/bin/sh", "-c",
      "[ ! -e /bin/ls ] && [ ! -e /etc/motd ] && echo $MORE $PWD")
    #expect(gone.output == "yes /new\n")

    let layer = try lab.store.layer(try #require(image.layer))
    let diffID = try #require(layer.diffID)
    #expect(layer.parent == base.layer)
    #expect(layer.id == layerID(parent: base.layer, diffID: diffID))
    let sink = ArraySink()
    try lab.store.diff(layer.id, compression: Compression.none, to: sink)
    #expect(sha256(sink.bytes) == diffID)
  }

  @Test("keeps every byte of the base's config but what it changes")
  func splicedConfig() throws {
    let (lab, base) = try labWithContainer()
    let image = try commit(container: "work", in: lab.store)
    let old = try lab.store.imageData(base.id, "sha256:\(base.id)")
    let new = try lab.store.imageData(image.id, "sha256:\(image.id)")
    var text = try JSONText(new)
    #expect(text.value(at: "config") == (try JSONText(old)).value(at: "config"))
    let history = try #require(text.value(at: "history")?.array)
    #expect(history.last?["comment"]?.string == "FROM localhost/base:1")
    #expect(history.last?["created"] == text.value(at: "created"))
    // Undone, it is the base's again.
    try text.set("history", to: .array(Array(history.dropLast())))
    let diffIDs = try #require(text.value(at: "rootfs")?["diff_ids"]?.array)
    try text.set("rootfs", "diff_ids", to: .array(Array(diffIDs.dropLast())))
    let created = try #require((try JSONText(old)).value(at: "created"))
    try text.set("created", to: created)
    #expect(try JSONValue(parsing: text.bytes) == JSONValue(parsing: old))
  }

  @Test("an image that was committed, exported and loaded elsewhere comes back to the same layers")
  func comesBack() throws {
    let (lab, _) = try labWithContainer()
    var options = CommitOptions()
    options.names = ["result"]
    let image = try commit(container: "work", in: lab.store, options: options)
    let layers = try lab.records(lab.ours, "layers")
    let archive = lab.path("result.tar")
    try exportImage("result", from: lab.store, to: .dockerArchive(RawPath(archive), name: nil))
    try lab.podman(lab.theirs, "load", "-q", "-i", archive)
    #expect(try lab.records(lab.theirs, "images").first?["id"]?.string == image.id)
    try lab.podman(lab.ours, "load", "-q", "-i", archive)
    #expect(try lab.records(lab.ours, "layers") == layers)
  }

  @Test("twice without a change in between shares the layer")
  func twice() throws {
    let (lab, _) = try labWithContainer()
    let first = try commit(container: "work", in: lab.store)
    let count = try lab.store.layers().count
    let second = try commit(container: "work", in: lab.store)
    #expect(first.layer == second.layer)
    #expect(first.id != second.id)
    #expect(try lab.store.layers().count == count)
  }
}
