import StrataJSON
import StrataModel
import StrataPersistence
import StrataStore
import StrataSystem
import StrataTestSupport
import Testing

/// Two roots that Debian's tool and ours share.
private struct SharedRoots {
  let fixture: StoreFixture

  init(_ name: String) throws { fixture = try StoreFixture(name) }

  func peer(_ arguments: String...) throws -> ProgramResult {
    try runProgram(
      "containers-storage",
      fixture.storageArguments + ["--storage-opt", "overlay.mount_program=/usr/bin/fuse-overlayfs"]
        + arguments)
  }

  func layers() throws -> LayerStore {
    try LayerStore(
      LayerStore.Locations(
        directory: fixture.graphRoot.appending("overlay-layers"),
        runDirectory: fixture.runRoot.appending("overlay-layers"))
    ) { (_: LayerRecord) throws(StoreError) in }
  }

  func images() throws -> ImageStore {
    try ImageStore(directory: fixture.graphRoot.appending("overlay-images"))
  }

  func containers() throws -> ContainerStore {
    try ContainerStore(
      directory: fixture.graphRoot.appending("overlay-containers"),
      runDirectory: fixture.runRoot.appending("overlay-containers"))
  }
}

@Suite(.tags(.interop), .needsTool("containers-storage"), .needsTool("fuse-overlayfs"), .serialized)
struct RecordTurnsTests {
  @Test("Debian's tool reads every member that we write", .timeLimit(.minutes(2)))
  func peerReads() throws {
    let roots = try SharedRoots("peer-reads")
    let digest = Digest.ofNothing
    let id = String(repeating: "ab", count: 32)
    try roots.layers().writing { writer throws(StoreError) in
      var layer = LayerRecord(id: id, created: Timestamp(seconds: 1_700_000_000, nanoseconds: 120))
      layer.names = ["one", "a<b>&\u{2028}"]
      layer.metadata = "text \"quoted\"\n"
      layer.compressedDigest = digest
      layer.compressedSize = 624
      layer.diffID = digest
      layer.diffSize = 20480
      layer.compression = .gzip
      layer.uids = [0, 1000]
      layer.gids = [42]
      layer.flags["reserved"] = .strings(["x", "y"])
      layer.mappings.uids = [IDMap(containerID: 0, hostID: 100_000, size: 65536)]
      try writer.insert(layer)
      try writer.setData("Some Key", [1, 2], of: id)
    }
    let imageID = String(repeating: "cd", count: 32)
    try roots.images().writing { writer throws(StoreError) in
      try writer.insert(ImageRecord(id: imageID, layer: id, created: .zero))
      try writer.setData("manifest", [], digest: digest, of: imageID)
      try writer.changeNames(of: imageID, .set, ["localhost/x:latest"])
    }
    try roots.containers().writing { writer throws(StoreError) in
      var container = ContainerRecord(
        id: String(repeating: "ef", count: 32), image: imageID, layer: id, created: .zero)
      container.names = ["ctr"]
      container.flags["MountLabel"] = .string("")
      container.flags["Volatile"] = .bool(true)
      try writer.insert(container)
    }
    #expect(try same(roots.peer("layers", "-j"), roots.layers().reading { $0.layers.records }))
    #expect(try same(roots.peer("images", "-j"), roots.images().reading { $0.records }))
    #expect(try same(roots.peer("containers", "-j"), roots.containers().reading { $0.records }))
    let data = try roots.peer("get-layer-data", "one", "Some Key")
    #expect(data.stdout == [1, 2], "\(data)")
    // The peer's own change keeps what it read of ours, and we read what it wrote.
    let named = try roots.peer("set-metadata", "-m", "theirs", "one")
    #expect(named.status == 0, "\(named)")
    let layer = try #require(try roots.layers().reading { $0.find("one") })
    #expect(layer.metadata == "theirs" && layer.names == ["one", "a<b>&\u{2028}"])
    #expect(layer.flags.strings("reserved") == ["x", "y"])
  }

  /// The peer prints an array of what it knows, in its own spelling; both are read into records.
  private func same<Record: JSONRecord>(_ result: ProgramResult, _ ours: [Record]) throws -> Bool {
    let theirs = try Record.decodeAll(result.stdout).map(\.record)
    #expect(theirs.count == ours.count, "\(result)")
    for (left, right) in zip(theirs, ours) {
      let known = try JSONValue(parsing: left.encoded())
      for member in try JSONValue(parsing: right.encoded()).members ?? [] {
        #expect(known[member.name] == member.value, "\(member.name) of \(right.id)")
      }
    }
    return theirs.count == ours.count
  }

  @Test(
    "Two processes of ours and Debian's tool at once, some killed: nothing that was said is lost",
    .tags(.slow), .timeLimit(.minutes(5)))
  func turns() async throws {
    let roots = try SharedRoots("turns")
    let program = try programBesideTests("RecordTurns")
    let first = try roots.peer("layers")
    try #require(first.status == 0, "\(first)")
    let said = try await withThrowingTaskGroup(of: [String].self) { group in
      for prefix in ["a", "b"] {
        group.addTask { try killedTurns(roots, program, prefix) }
      }
      group.addTask { try peerTurns(roots) }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(said.count > 60)
    let layers = try roots.layers().reading { $0.layers }
    let images = try roots.images().reading { $0 }
    for line in said {
      let words = line.split(separator: " ").map(String.init)
      switch words[0] {
      case "metadata": #expect(layers[words[1]]?.metadata == words[2], "\(line)")
      case "image": #expect(images[words[1]]?.names == [words[2]], "\(line)")
      default: #expect(layers[words[1]]?.names.contains(words[2]) == true, "\(line)")
      }
    }
    #expect(layers.incompleteRecords.isEmpty)
    let names = layers.records.flatMap(\.names)
    #expect(Set(names).count == names.count)
    let theirs = try roots.peer("layers", "-j")
    #expect(
      try LayerRecord.decodeAll(theirs.stdout).map(\.record.id).sorted() == layers.ids.sorted())
  }
}

/// Runs the program again and again, kills it, and returns what it said.
private func killedTurns(_ roots: SharedRoots, _ program: RawPath, _ prefix: String) throws
  -> [String]
{
  var said: [String] = []
  for round in 0..<12 {
    let output = try roots.fixture.scratch.directory.open(
      RawPath("said-\(prefix)-\(round)"), [.readWrite, .create], mode: 0o600)
    let child = try ChildProcess.start(
      program,
      [
        program, "turns", roots.fixture.graphRoot, roots.fixture.runRoot,
        RawPath("\(prefix)-\(round)"), "1000",
      ], output: output.view)
    pause(milliseconds: UInt32(80 + round * 37 % 300))
    try child.signal(9)
    #expect(try child.wait() == 128 + 9)
    _ = try output.view.seek(0)
    let text = String(decoding: try output.view.readToEnd(), as: UTF8.self)
    // A last line without its end was not said.
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
    said += lines.map(String.init)
  }
  return said
}

/// Makes layers and images with Debian's tool and returns the lines that ours would say.
///
/// Its `add-names` is left out: it reads and then sets without a lock between (storage-format 4.4).
private func peerTurns(_ roots: SharedRoots) throws -> [String] {
  var said: [String] = []
  for round in 0..<20 {
    let layer = try roots.peer("create-layer", "-n", "peer-\(round)")
    #expect(layer.status == 0, "\(layer)")
    let id = layer.lines.first ?? ""
    said.append("layer \(id) peer-\(round)")
    let metadata = try roots.peer("set-metadata", "-m", "peer-\(round)", id)
    #expect(metadata.status == 0, "\(metadata)")
    said.append("metadata \(id) peer-\(round)")
    let image = try roots.peer("create-image", "-n", "peer-\(round)", id)
    #expect(image.status == 0, "\(image)")
    said.append("image \(image.lines.first ?? "") peer-\(round)")
  }
  return said
}
