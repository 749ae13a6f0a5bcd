import StrataDigest
import StrataModel
import StrataStore
import StrataSystem
import StrataTestSupport
import Testing

/// Debian's `containers-storage` on the same roots.
@Suite(
  .serialized, .tags(.interop, .root), .needsFuse, .needsRoot, .needsTool("containers-storage"),
  .timeLimit(.minutes(3)))
struct PeerTests {
  private func peer(_ open: OpenStore, _ arguments: String..., input: [UInt8] = []) throws
    -> ProgramResult
  {
    try runProgram(
      "containers-storage",
      open.fixture.storageArguments
        + ["--storage-opt", "overlay.mount_program=\(testMountProgram)"] + arguments, input: input)
  }

  @Test func thePeerUsesAndRemovesWhatWeMake() throws {
    let open = try OpenStore()
    let tar = try makeTar(["etc/f": "below"])
    _ = try open.store.putLayer(LayerCreation(id: id("1")), content: ArraySource(try gzip(tar)))
    _ = try open.store.createImage(
      ImageCreation(id: id("a"), names: ["img"], layer: id("1"), data: [BigDataItem("Some", [1])]))
    _ = try open.store.createContainer(ContainerCreation(id: id("c"), names: ["ctr"], image: "img"))
    #expect(try peer(open, "layers").output.contains("\timage: \(id("a"))\n\t\tname: img"))
    #expect(try peer(open, "get-image-data", "img", "Some").stdout == [1])
    let mounted = try peer(open, "mount", "ctr")
    let point = RawPath(mounted.lines.first ?? "")
    #expect(try FileDescriptor.workingDirectory.contents(of: point.appending("etc/f")).count == 5)
    #expect(try open.store.mount("ctr") == point)
    #expect(try open.store.unmount("ctr") == false)
    #expect(try peer(open, "unmount", "ctr").status == 0)
    #expect(try open.store.mountCount("ctr") == 0)
    #expect(try peer(open, "diff", "-u", id("1")).stdout == tar)
    for verb in ["delete-container", "delete-image"] {
      #expect(try peer(open, verb, verb == "delete-image" ? "img" : "ctr").status == 0)
    }
    #expect(try open.store.layers().isEmpty)
    #expect(try open.layerFiles() == ["root/overlay-layers/layers.json"])
  }

  @Test func weUseAndRemoveWhatThePeerMakes() throws {
    let open = try OpenStore()
    let tar = try makeTar(["etc/f": "below"])
    #expect(try peer(open, "import-layer", "--id", id("1"), "-n", "one", input: tar).status == 0)
    #expect(try peer(open, "create-image", "-n", "img", "one").status == 0)
    #expect(try peer(open, "create-container", "-n", "ctr", "img").status == 0)
    let store = open.store
    #expect(try store.layer("one").diffID == Digester.digest(of: tar))
    let point = try store.mount("ctr")
    #expect(try FileDescriptor.workingDirectory.contents(of: point.appending("etc/f")).count == 5)
    #expect(try peer(open, "mounted", "ctr").output == "ctr mounted\n")
    #expect(try peer(open, "unmount", "ctr").status == 0)
    #expect(try store.mountCount("ctr") == 0)
    let sink = ArraySink()
    try store.diff("one", to: sink)
    #expect(sink.bytes == tar)
    try store.deleteContainer("ctr")
    #expect(try store.deleteImage("img") == [id("1")])
    #expect(try peer(open, "layers").output.isEmpty)
    #expect(try open.layerFiles() == ["root/overlay-layers/layers.json"])
  }

  /// The same operations leave the same names, modes, owners and links.
  @Test func theTreesAreTheSame() throws {
    let (ours, theirs) = (try OpenStore("ours"), try OpenStore("theirs"))
    let tar = try makeTar(["etc/f": "below", ".wh.x": "", "d/": ""])
    for (digit, parent) in [("1", ""), ("2", id("1"))] as [(Character, String)] {
      _ = try ours.store.putLayer(
        LayerCreation(id: id(digit), parent: parent), content: ArraySource(tar))
      let parents = parent.isEmpty ? [] : [parent]
      let made = try runProgram(
        "containers-storage",
        theirs.fixture.storageArguments + ["import-layer", "--id", id(digit)] + parents, input: tar)
      #expect(made.status == 0, "\(made)")
    }
    theirs.fixture.unmountAll()
    func listing(_ open: OpenStore) throws -> [String] {
      try ["root/overlay", "root/overlay-layers"].flatMap { folder in
        try open.scratch.tree(RawPath(folder)).map { path in
          let status = try open.scratch.directory.status(of: path)
          var name = path.description
          if name.contains("/overlay/l/") { name = "root/overlay/l/LINK" }
          return "\(name) \(String(status.mode, radix: 8)) \(status.uid):\(status.gid) "
            + "\(status.type == .directory ? 0 : status.modificationTime.seconds == 0 ? 0 : 1)"
        }
      }.sorted()
    }
    #expect(try listing(ours) == listing(theirs))
  }
}
