import StrataDigest
import StrataModel
import StrataStore
import StrataSystem
import StrataTestSupport
import Synchronization
import Testing

@Suite struct LayerTests {
  @Test(arguments: [false, true])
  func aTarBecomesALayerAndComesBack(isCompressed: Bool) throws {
    let open = try OpenStore()
    let tar = try makeTar(["etc/a": "hello\n", "empty": "", ".wh.gone": ""])
    let blob = isCompressed ? try gzip(tar) : tar
    let diffID = Digester.digest(of: tar)
    let promise = LayerExpectation(
      diffID: diffID, compressedDigest: Digester.digest(of: blob),
      compressedSize: Int64(blob.count))
    let made = try open.store.putLayer(
      LayerCreation(id: id("a"), names: ["one"], data: [BigDataItem("Key", [1, 2])]),
      content: ArraySource(blob), expected: promise)
    let record = try open.again().layer("one")
    #expect(record == made)
    #expect(record.diffID == diffID && record.diffSize == Int64(tar.count))
    #expect(record.compressedDigest == promise.compressedDigest)
    #expect(record.compressedSize == Int64(blob.count))
    #expect(record.compression == (isCompressed ? .gzip : .none))
    #expect(record.flags.isEmpty && record.bigDataNames == ["Key"])
    #expect(try open.store.layerData("one", "Key") == [1, 2])
    #expect(try open.scratch.text(RawPath("root/overlay/\(id("a"))/diff/etc/a")) == "hello\n")
    let split = try open.scratch.directory.status(
      of: RawPath("root/overlay-layers/\(id("a")).tar-split.gz"))
    #expect(split.permissions == 0o600)

    let sink = ArraySink()
    try open.store.diff("one", compression: Compression.none, to: sink)
    #expect(sink.bytes == tar)
    #expect(try open.store.layers(diffID: diffID).map(\.id) == [id("a")])
    #expect(try open.store.diffSize("one") == 6)
  }

  /// While the content comes, others do what they want; then the layer is there at once.
  @Test func noLockIsHeldWhileTheContentComes() throws {
    let open = try OpenStore()
    let other = try open.again()
    var seen: [String] = []
    let source = LookingSource(try makeTar(["f": "x"])) {
      seen = try open.layerFiles()
      _ = try other.createLayer(LayerCreation(id: id("b"), names: ["b"]))
      #expect(try other.layers().map(\.id) == [id("b")])
      // Not taken for what a dead process has left.
      _ = try open.again()
      #expect(try other.collectGarbage().isEmpty)
    }
    _ = try open.store.putLayer(LayerCreation(id: id("a")), content: source)
    #expect(seen == ["root/overlay-layers/tmp", "root/overlay/tempdirs"])
    #expect(try open.again().layers().map(\.id) == [id("b"), id("a")])
    #expect(try open.scratch.text(RawPath("root/overlay/\(id("a"))/diff/f")) == "x")
    #expect(try open.layerFiles().count { $0.contains("tmp") || $0.contains("temp") } == 0)
  }

  /// What was free when the import began is looked at again when it ends.
  @Test func whatOthersTookMeanwhileIsTheirs() throws {
    let open = try OpenStore()
    let other = try open.again()
    _ = try open.store.createLayer(LayerCreation(id: id("c")))
    let tar = try makeTar(["f": "x"])
    func put(_ creation: LayerCreation, _ meanwhile: @escaping () throws -> Void) -> StoreError? {
      failure {
        _ = try open.store.putLayer(creation, content: LookingSource(tar, look: meanwhile))
      }
    }
    #expect(
      put(LayerCreation(id: id("a"))) { _ = try other.createLayer(LayerCreation(id: id("a"))) }
        == StoreError(.duplicateID))
    #expect(
      put(LayerCreation(names: ["n"])) {
        _ = try other.createLayer(LayerCreation(id: id("b"), names: ["n"]))
      } == StoreError(.duplicateName))
    #expect(
      put(LayerCreation(parent: id("c"))) { try other.deleteLayer(id("c")) }
        == StoreError(.layerUnknown))
    #expect(try open.again().layers().map(\.id) == [id("a"), id("b")])
    #expect(try open.layerFiles().count { $0.contains("tmp") || $0.contains("temp") } == 0)
  }

  /// The root of a layer has its parent's owner and mode, unless the tar names `/` itself.
  @Test(.needsRoot) func theRootIsTheParentsOrTheTars() throws {
    let open = try OpenStore()
    _ = try open.store.createLayer(LayerCreation(id: id("a")))
    let diff = open.fixture.graphRoot.appending(RawPath("overlay/\(id("a"))/diff"))
    try FileDescriptor.workingDirectory.setOwner(of: diff, uid: 5, gid: 6)
    try FileDescriptor.workingDirectory.setMode(of: diff, 0o1751)
    _ = try open.store.putLayer(
      LayerCreation(id: id("b"), parent: id("a")), content: ArraySource(try makeTar(["f": "x"])))
    let scratch = try ScratchDirectory("root")
    try scratch.makeDirectory("d")
    let tar = try runProgram(
      "tar",
      [
        "-C", scratch.path.description, "-cPf", "-", "--owner=7", "--group=8", "--mode=0711",
        "--transform=s,^d$,/,", "d",
      ]
    ).stdout
    _ = try open.store.putLayer(
      LayerCreation(id: id("c"), parent: id("b")), content: ArraySource(tar))
    func root(_ layer: Character) throws -> [UInt32] {
      let status = try open.scratch.directory.status(
        of: RawPath("root/overlay/\(id(layer))/diff"))
      return [status.uid, status.gid, status.permissions]
    }
    #expect(try root("b") == [5, 6, 0o1751])
    #expect(try root("c") == [7, 8, 0o711])
  }

  enum Bad: CaseIterable {
    case diffID, digest, tooLong, tooShort, truncated, junk, emptyKey
  }

  @Test(arguments: Bad.allCases) func aBrokenPromiseLeavesNothing(_ bad: Bad) throws {
    let open = try OpenStore()
    _ = try open.store.putLayer(
      LayerCreation(id: id("a")), content: ArraySource(try makeTar(["base": "x"])))
    let before = try open.layerFiles()
    let records = try open.scratch.read("root/overlay-layers/layers.json")
    let tar = try makeTar(["f": String(repeating: "x", count: 4000)])
    let other = Digester.digest(of: [1])
    var (content, promise, data) = (tar, LayerExpectation(), [BigDataItem("k", [1])])
    switch bad {
    case .diffID: promise.diffID = other
    case .digest: promise.compressedDigest = other
    case .tooLong: promise.compressedSize = 100
    case .tooShort: promise.compressedSize = 1_000_000
    case .truncated: content = Array(try gzip(tar).dropLast(20))
    case .junk:
      content = Array("this is not a tar archive".utf8) + [UInt8](repeating: 7, count: 600)
    case .emptyKey: data.append(BigDataItem("", [1]))
    }
    let error = failure {
      _ = try open.store.putLayer(
        LayerCreation(id: id("b"), parent: id("a"), data: data), content: ArraySource(content),
        expected: promise)
    }
    #expect(error != nil)
    #expect(error?.message.contains("\n") == false)
    #expect(try open.layerFiles() == before)
    #expect(try open.scratch.read("root/overlay-layers/layers.json") == records)
    #expect(try open.store.layers().map(\.id) == [id("a")])
    // The id is free again.
    _ = try open.store.putLayer(
      LayerCreation(id: id("b"), parent: id("a")), content: ArraySource(tar))
  }

  /// What `kill -9` in the middle of an import leaves is removed by whoever comes next.
  @Test func aHalfMadeLayerIsRemovedByTheNextCommand() throws {
    let open = try OpenStore()
    let base = try open.store.createLayer(LayerCreation())
    let clean = try open.layerFiles()
    _ = try open.store.putLayer(
      LayerCreation(id: id("b"), parent: base.id, data: [BigDataItem("k", [1])]),
      content: ArraySource(try makeTar(["f": "x"])))
    let path: RawPath = "root/overlay-layers/layers.json"
    let text = try open.scratch.text(path)
    let mark = #""big-data-names":["k"]"#
    try open.scratch.write(
      path, text.replacing(mark, with: #""flags":{"incomplete":true},"# + mark), mode: 0o600)
    #expect(try open.again().layers().map(\.id) == [base.id])
    #expect(try open.layerFiles() == clean)
  }

  @Test func idsNamesAndParentsAreChecked() throws {
    let open = try OpenStore()
    let store = open.store
    _ = try store.createLayer(LayerCreation(id: id("a"), names: ["one"]))
    let before = try open.layerFiles()
    #expect(
      failure { _ = try store.createLayer(LayerCreation(id: id("a"))) }
        == StoreError(.duplicateID))
    #expect(
      failure { _ = try store.createLayer(LayerCreation(names: ["two", "one"])) }
        == StoreError(.duplicateName))
    #expect(
      failure { _ = try store.createLayer(LayerCreation(parent: "nobody")) }
        == StoreError(.layerUnknown))
    for bad in ["", ".", "..", "a/b"] {
      #expect(failure { _ = try store.createLayer(LayerCreation(id: bad)) }?.code == .usage)
    }
    #expect(try open.layerFiles() == before)
    _ = try store.createLayer(LayerCreation(id: "good-layer", parent: "one", names: ["x", "x"]))
    #expect(try store.layer("good").names == ["x"])
    #expect(try store.layer("good-layer").parent == id("a"))
  }

  @Test func aTarAppliedLaterReplacesTheDigests() throws {
    let open = try OpenStore()
    _ = try open.store.createLayer(LayerCreation(id: id("a")))
    let (first, second) = (try makeTar(["f": "1"]), try makeTar(["g": "22"]))
    #expect(try open.store.applyDiff(to: id("a"), content: ArraySource(first)) == 1)
    // What fails changes no record and keeps the older tar-split.
    #expect(
      failure {
        try open.store.applyDiff(to: id("a"), content: ArraySource(Array("junk".utf8)))
      } != nil)
    #expect(try open.again().layer(id("a")).diffID == Digester.digest(of: first))
    let sink = ArraySink()
    try open.store.diff(id("a"), to: sink)
    #expect(sink.bytes == first)
    _ = try open.store.applyDiff(to: id("a"), content: ArraySource(second))
    #expect(try open.again().layer(id("a")).diffID == Digester.digest(of: second))
  }

  @Test func aChangedFileIsFoundWhenTheTarIsWritten() throws {
    let open = try OpenStore()
    _ = try open.store.putLayer(
      LayerCreation(id: id("a")), content: ArraySource(try makeTar(["f": "1"])))
    try open.scratch.write(RawPath("root/overlay/\(id("a"))/diff/f"), "2")
    let error = failure { try open.store.diff(id("a"), to: ArraySink()) }
    #expect(error?.message.contains("file integrity checksum failed for \"./f\"") == true)
  }
}

/// Roots that are not as one would wish.
@Suite struct OddRootTests {
  @Test func aRootOfAnotherDriverIsRefused() throws {
    let fixture = try StoreFixture()
    try fixture.scratch.makeDirectory("root/vfs-layers")
    let error = failure { _ = try OpenStore.open(fixture) }
    #expect(error?.code == .driverNotSupported)
    #expect(
      error?.message
        == "graph root \(fixture.graphRoot) belongs to the driver vfs, not to overlay: "
        + "choose another graph root")
    #expect(try fixture.scratch.tree() == ["root", "root/vfs-layers"])
  }

  @Test(.timeLimit(.minutes(1))) func aLockedRootIsWaitedForAndTold() async throws {
    let open = try OpenStore()
    let told = Mutex<[RawPath]>([])
    let lock = open.fixture.graphRoot.appending("overlay-layers/layers.lock")
    let held = try FileDescriptor.workingDirectory.open(lock, .readWrite)
    try held.view.lock(.exclusive)
    let shared = SharedDescriptor(held)
    let release = Task.detached {
      try await Task.sleep(for: .milliseconds(1500))
      try shared.view.unlock()
    }
    let store = try OpenStore.open(open.fixture) { path, _ in
      told.withLock { $0.append(path) }
    }
    #expect(try store.layers().isEmpty)
    try await release.value
    #expect(told.withLock { $0 } == [lock])
  }

  @Test(.needsRoot, .needsTool("mount")) func aReadOnlyRootCanBeLookedAt() throws {
    let fixture = try StoreFixture()
    let tar = try makeTar(["f": "x"])
    func fill() throws {
      let store = try OpenStore.open(fixture)
      _ = try store.putLayer(LayerCreation(id: id("a")), content: ArraySource(tar))
      _ = try store.createImage(ImageCreation(id: id("b"), names: ["i"], layer: id("a")))
    }
    // A store that is open elsewhere in the process shares its lock objects, which can be written.
    try fill()
    let root = fixture.graphRoot.description
    #expect(try runProgram("mount", ["--bind", root, root]).status == 0)
    #expect(try runProgram("mount", ["-o", "remount,bind,ro", root]).status == 0)
    defer { fixture.unmountAll() }
    let store = try OpenStore.open(fixture)
    #expect(store.isReadOnly)
    #expect(try store.layers().count == 1 && store.images().count == 1)
    #expect(try store.containers().isEmpty)
    #expect(try store.mountCount(id("a")) == 0)
    let sink = ArraySink()
    try store.diff(id("a"), to: sink)
    #expect(sink.bytes == tar)
    let error = failure { _ = try store.createLayer(LayerCreation()) }
    #expect(error?.code == .storeIsReadOnly)
    #expect(error?.message.hasPrefix("graph root \(root) is on a read-only file system") == true)
  }

  @Test(.needsRoot, .needsTool("mount")) func aFullDiskLeavesNothing() throws {
    let fixture = try StoreFixture()
    try fixture.scratch.makeDirectory("root")
    let root = fixture.graphRoot.description
    #expect(
      try runProgram("mount", ["-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", root]).status == 0)
    defer { fixture.unmountAll() }
    let store = try OpenStore.open(fixture)
    let base = try store.createLayer(LayerCreation())
    let before = try fixture.layerDirectories()
    let tar = try makeTar(["big": String(repeating: "0123456789", count: 400_000)])
    let error = failure {
      _ = try store.putLayer(
        LayerCreation(id: id("a"), parent: base.id), content: ArraySource(tar))
    }
    #expect(error?.code == .system(28))
    #expect(error?.message.hasSuffix("no space left on device") == true)
    #expect(try fixture.layerDirectories() == before)
    #expect(try OpenStore.open(fixture).layers().map(\.id) == [base.id])
    // Usable at once.
    _ = try store.putLayer(
      LayerCreation(id: id("a")), content: ArraySource(try makeTar(["f": "x"])))
  }
}
