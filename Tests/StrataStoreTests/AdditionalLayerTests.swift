import StrataDrivers
import StrataModel
import StrataStore
import StrataSystem
import StrataTestSupport
import Synchronization
import Testing

/// A store with an additional layer store that is a plain directory and needs no image name.
private struct LazyStore {
  let fixture: StoreFixture
  let store: Store
  let warnings: Warnings
  let digest: Digest

  /// What the store has said.
  final class Warnings: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
  }

  init(info: String?, blob: [UInt8] = [1, 2, 3]) throws {
    fixture = try StoreFixture("lazy")
    digest = try Digest("sha256:" + String(repeating: "ab", count: 32))
    let scratch = fixture.scratch
    for name in ["als", "als/\(digest)", "als/\(digest)/diff"] {
      try scratch.makeDirectory(RawPath(name))
    }
    if let info { try scratch.write(RawPath("als/\(digest)/info"), info) }
    try scratch.write(RawPath("als/\(digest)/diff/file"), "there")
    let here = FileDescriptor.workingDirectory
    let file = try here.open(
      scratch.path.appending(RawPath("als/\(digest)/blob")), [.writeOnly, .create], mode: 0o644)
    try file.view.writeAll(blob)
    let warnings = Warnings()
    self.warnings = warnings
    var configuration = StoreConfiguration(
      graphRoot: fixture.graphRoot, runRoot: fixture.runRoot,
      driverOptions: [
        "overlay.mount_program=\(testMountProgram)",
        "overlay.additionallayerstore=\(scratch.path)/als",
      ], onWarning: { warnings.add($0) })
    configuration.additionalLayerTimeout = 1
    store = try Store(configuration)
  }

  func lookup() throws -> AdditionalLayer? {
    try store.lookupAdditionalLayer(digest: digest, imageReference: nil)
  }
}

@Suite struct AdditionalLayerTests {
  @Test(arguments: [
    (
      "overlay.additionallayerstore=als:ref",
      "overlay: additionallayerstore path \"als\" is not absolute.  Can not be relative"
    ),
    (
      "overlay.additionallayerstore=/als:bogus",
      "overlay: additionallayerstore config \"/als\" contains unknown option \"bogus\""
    ),
    (
      "overlay.additionallayerstore=/a,/als/:ref:ref",
      "overlay: additionallayerstore config of \"/als\" contains \"ref\" option twice"
    ),
  ])
  func optionsAreRefusedInThePeersWords(_ option: String, _ message: String) {
    #expect(throws: StoreError(.usage, message)) { try OverlayOptions([option]) }
  }

  @Test func placesAreThePeers() throws {
    let digest = try Digest("sha256:" + String(repeating: "ab", count: 32))
    let named = try AdditionalLayerStore(parsing: "/als:ref")
    #expect(
      named.place(of: digest, imageReference: "127.0.0.1:5000/b/demo:1")?.path
        == RawPath("/als/MTI3LjAuMC4xOjUwMDAvYi9kZW1vOjE=/\(digest)"))
    #expect(named.place(of: digest, imageReference: nil) == nil)
    let bare = try AdditionalLayerStore(parsing: "/als")
    #expect(bare.place(of: digest, imageReference: nil)?.path == RawPath("/als/\(digest)"))
  }

  @Test func aLayerTakesDigestsAndFlagsAndNothingElse() throws {
    let diffID = String(repeating: "cd", count: 32)
    let blob = try gzip([1, 2, 3])
    let lazy = try LazyStore(
      info: """
        {"id":"x","parent":"y","names":["z"],"compressed-size":3,"diff-size":-1,"compression":2,
        "flags":{"incomplete":true,"kept":[1]},"uidmap":[{"container_id":0,"host_id":9,"size":1}],
        "other":1}
        """, blob: blob)
    let offered = try #require(try lazy.lookup())
    #expect(offered.compressedSize == 3)
    #expect(offered.diffSize == nil)
    let made = try offered.createAs(
      LayerCreation(id: id("a")), diffID: try Digest("sha256:\(diffID)"))
    let layer = try lazy.store.layer(id("a"))
    #expect(layer.created == made.created)
    #expect(layer.parent == nil && layer.names.isEmpty && layer.mappings.isEmpty)
    #expect(layer.diffSize == 0 && layer.compression == .gzip && !layer.isIncomplete)
    #expect(layer.flags.names == ["expected-layer-diffid", "kept"])
    #expect(try lazy.store.additionalLayerPath(id("a")) == offered.path)
    #expect(try lazy.store.check(.quick).isEmpty)
    // The blob as it is; asked for plain it must have the digest that was promised.
    let sink = ArraySink()
    try lazy.store.diff(id("a"), to: sink)
    #expect(sink.bytes == blob)
    #expect(throws: StoreError.self) {
      try lazy.store.diff(id("a"), compression: Compression.none, to: ArraySink())
    }
    #expect(throws: StoreError.self) {
      try lazy.store.applyDiff(to: id("a"), content: ArraySource(try makeTar(["f": "x"])))
    }
    try lazy.store.deleteLayer(id("a"))
    #expect(lazy.warnings.all.isEmpty)
  }

  @Test func anotherDiffIDThanTheOneExpectedIsRefused() throws {
    let lazy = try LazyStore(
      info: "{\"diff-digest\":\"sha256:\(String(repeating: "cd", count: 32))\"}")
    let offered = try #require(try lazy.lookup())
    #expect(throws: StoreError.self) {
      try offered.createAs(LayerCreation(id: id("a")), diffID: lazy.digest)
    }
    #expect(try lazy.store.layers().isEmpty)
  }

  @Test(arguments: ["", "[]", "{", "{},{}", "{\"diff-size\":\"x\"}"])
  func anInfoThatIsNoneIsOneWarning(_ info: String) throws {
    let lazy = try LazyStore(info: info)
    #expect(try lazy.lookup() == nil)
    #expect(try lazy.lookup() == nil)
    #expect(lazy.warnings.all.count == 1, "\(lazy.warnings.all)")
  }

  /// A pipe that nobody writes to is what a server is that never answers.
  @Test(.timeLimit(.minutes(1)))
  func anAnswerThatNeverComesIsWaitedForOnce() throws {
    let lazy = try LazyStore(info: nil)
    let info = lazy.fixture.scratch.path.appending(RawPath("als/\(lazy.digest)/info"))
    #expect(try runProgram("mkfifo", [info.description]).status == 0)
    let start = monotonicNanoseconds()
    #expect(try lazy.lookup() == nil)
    #expect(try lazy.lookup() == nil)
    let seconds = Double(monotonicNanoseconds() - start) / 1e9
    #expect(seconds >= 1 && seconds < 10)
    #expect(lazy.warnings.all.count == 1)
    #expect(lazy.warnings.all.first?.contains("no answer for 1 seconds") == true)
  }

  @Test func aLayerThatIsNotThereIsNoNews() throws {
    let lazy = try LazyStore(info: nil)
    #expect(try lazy.lookup() == nil)
    #expect(lazy.warnings.all.isEmpty)
  }
}
