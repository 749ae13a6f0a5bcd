import StrataDigest
import StrataFUSE
import StrataJSON
import StrataLazy
import StrataModel
import StrataSystem
import StrataTestSupport
import Testing

/// The additional layer store, mounted: what containers/storage asks of it, and the layers' trees.
///
/// One suite, one test at a time: they wait in system calls on threads that the daemon in this very
/// process needs for its tasks, so that two at once would wait for each other for ever.
@Suite(
  .serialized, .needsFuse, .needsRoot, .needsTool("python3"), .tags(.fuse), .timeLimit(.minutes(1)))
struct StoreTests {
  static let reference = "registry.test/some/image:one"
  private let here = FileDescriptor.workingDirectory
  private let mount: StoreMount
  private let layer: EStargzLayer
  private let plain: LayerDescriptor
  /// Not compressible, so that damage in the middle of the blob hits it.
  private let big = randomBytes(3_000_000)

  init() throws {
    let scratch = try ScratchDirectory("lazy")
    try scratch.write("tree/etc/hello", "hello\n", mode: 0o640)
    try scratch.write("tree/etc/big", big)
    try scratch.write("tree/etc/empty", "")
    try scratch.directory.link("tree/etc/hello", to: scratch.directory, "tree/etc/second")
    try scratch.directory.makeSymlink("tree/etc/link", to: "hello")
    try scratch.write("tree/gone/.wh.old", "")
    try scratch.write("tree/hidden/.wh..wh..opq", "")
    try scratch.write("tree/hidden/new", "new")
    let directory = try scratch.directory.open("tree/etc", [.readOnly, .directory])
    try directory.view.setXattr("user.note", Array("text".utf8))
    var layout = try LayoutLab(scratch)
    layer = try EStargzLayer(layout, "tree", chunkSize: 1 << 20)
    plain = try layout.add([1, 2, 3], mediaType: "application/vnd.oci.image.layer.v1.tar")
    try layout.addImage(
      named: Self.reference, layers: [plain, layer.descriptor],
      diffIDs: [Digester.digest(of: [1, 2, 3]), layer.diffID])
    var options = LazyOptions()
    options.backgroundFetch = false
    mount = try StoreMount(scratch, try LayoutSource(layout.path), options: options)
  }

  private func path(_ rest: String, _ key: Digest? = nil) -> RawPath {
    mount.path(Self.reference, key ?? layer.descriptor.digest, rest)
  }

  private func errno(_ body: () throws(Errno) -> Void) -> Errno? {
    do throws(Errno) { try body() } catch { return error }
    return nil
  }

  @Test func showsTheTree() throws {
    let root = path("diff")
    #expect(try here.contents(of: root.appending("etc/hello")) == Array("hello\n".utf8))
    #expect(try here.contents(of: root.appending("etc/big")) == big)
    #expect(try here.contents(of: root.appending("etc/empty")) == [])
    #expect(try here.readLink(root.appending("etc/link")) == "hello")
    let hello = try here.status(of: root.appending("etc/hello"))
    let second = try here.status(of: root.appending("etc/second"))
    #expect(hello.inode == second.inode)
    #expect(hello.linkCount == 2)
    #expect(hello.permissions == 0o640)
    let etc = try here.open(root.appending("etc"), [.readOnly, .directory])
    #expect(try etc.view.xattr("user.note") == Array("text".utf8))
    #expect(
      try etc.view.entries().map(\.name).filter { $0 != "." && $0 != ".." }.sorted()
        == ["big", "empty", "hello", "link", "second"])
  }

  @Test func showsWhiteoutsInTheFormOfOverlayfs() throws {
    let old = try here.status(of: path("diff/gone/old"))
    #expect(old.type == .characterDevice)
    #expect(old.representedDevice == DeviceNumber(major: 0, minor: 0))
    let hidden = try here.open(path("diff/hidden"), [.readOnly, .directory])
    #expect(try hidden.view.xattr("trusted.overlay.opaque") == Array("y".utf8))
    #expect(try hidden.view.xattr("user.overlay.opaque") == Array("y".utf8))
    #expect(try !here.exists(path("diff/hidden/.wh..wh..opq")))
    #expect(try !here.exists(path("diff/stargz.index.json")))
  }

  @Test func answersByTheTOCDigestToo() throws {
    let file = path("diff/etc/hello", layer.tocDigest)
    #expect(try here.contents(of: file) == Array("hello\n".utf8))
    // The same layer, so the same files.
    #expect(try here.status(of: file).inode == here.status(of: path("diff/etc/hello")).inode)
  }

  @Test func tellsWhatItKnowsByTheKey() throws {
    let byBlob = try JSONValue(parsing: here.contents(of: path("info")))
    #expect(byBlob["diff-digest"]?.string == layer.diffID.description)
    #expect(byBlob["compressed-diff-digest"]?.string == layer.descriptor.digest.description)
    #expect(byBlob["compression"]?.int64 == 2)
    let byTOC = try JSONValue(parsing: here.contents(of: path("info", layer.tocDigest)))
    #expect(byTOC["toc-digest"]?.string == layer.tocDigest.description)
    #expect(byTOC["diff-digest"] == nil)
    #expect(byTOC["flags"]?["expected-layer-diffid"]?.string == layer.diffID.description)
  }

  @Test func servesTheBlobAsItIs() throws {
    let blob = try here.contents(of: path("blob"))
    #expect(Digester.digest(of: blob) == layer.descriptor.digest)
  }

  @Test func keepsTheLastBytesOfAWrongBlob() throws {
    let stored = RawPath("layout/blobs/sha256/\(layer.descriptor.digest.hex)")
    var bytes = try mount.scratch.read(stored)
    bytes[10] ^= 1
    try mount.scratch.write(stored, bytes)
    let file = try here.open(path("blob"), .readOnly)
    #expect(errno { () throws(Errno) in _ = try file.view.readToEnd() } == .inputOutputError)
  }

  @Test func countsUsesByRefusingThem() throws {
    #expect(
      errno { () throws(Errno) in
        _ = try here.open(path("use"), [.readWrite, .create, .truncate], mode: 0o666)
      } == .noSuchFileOrDirectory)
    #expect(try mount.scratch.text("state/uses").hasPrefix("1 "))
    let directory = path("diff").parent
    for _ in 0..<2 {
      #expect(
        errno { () throws(Errno) in try here.removeDirectory(directory) }
          == .noSuchFileOrDirectory)
    }
    #expect(try mount.scratch.text("state/uses") == "")
    #expect(try here.contents(of: path("diff/etc/hello")) == Array("hello\n".utf8))
  }

  @Test func refusesWhatIsNoName() throws {
    func status(_ path: RawPath) -> Errno? {
      errno { () throws(Errno) in _ = try here.status(of: path) }
    }
    #expect(status(mount.mount.path.appending("not base64")) == .invalidArgument)
    #expect(status(path("diff").parent.parent.appending("nodigest/diff")) == .invalidArgument)
    #expect(status(path("diff", Digest.ofNothing)) == .noSuchFileOrDirectory)
    #expect(status(path("diff", plain.digest)) == .noSuchFileOrDirectory)
    #expect(status(path("diff1")) == .noSuchFileOrDirectory)
    #expect(
      status(mount.path("registry.test/other:one", plain.digest, "diff"))
        == .noSuchFileOrDirectory)
  }

  @Test func givesAnErrorForAWrongChunk() throws {
    // The tree is known before the blob is damaged; by the TOC's digest nothing is fetched ahead.
    let file = path("diff/etc/big", layer.tocDigest)
    _ = try here.status(of: file)
    let stored = RawPath("layout/blobs/sha256/\(layer.descriptor.digest.hex)")
    var bytes = try mount.scratch.read(stored)
    for index in 1000..<(bytes.count - 4000) { bytes[index] ^= 0x55 }
    try mount.scratch.write(stored, bytes)
    #expect(
      errno { () throws(Errno) in _ = try here.contents(of: file) } == .inputOutputError)
  }

  @Test func findsOutWhetherBlobAndTOCBelongTogether() throws {
    // Asked for by the blob's digest, so it is completed though the background is off.
    _ = try here.status(of: path("diff"))
    let binding = RawPath("state/layers/\(layer.tocDigest.hex)/binding")
    for _ in 0..<500 where (try? mount.scratch.read(binding)) == nil { pause(milliseconds: 10) }
    let words = try mount.scratch.text(binding).split(separator: " ")
    #expect(
      words.prefix(3).map(String.init)
        == [layer.descriptor.digest, layer.tocDigest, layer.diffID].map(\.description))
    // The tar's size was unknown, and is told now.
    let info = try JSONValue(parsing: here.contents(of: path("info")))
    #expect(info["diff-size"]?.int64.map(String.init) == words.last?.dropLast().description)
  }

  @Test func condemnsAnImageWhoseClaimIsFalse() throws {
    let scratch = try ScratchDirectory("lazy")
    try scratch.write("tree/file", "content")
    var layout = try LayoutLab(scratch)
    let layer = try EStargzLayer(layout, "tree")
    // The blob's tar has another digest than the image says.
    try layout.addImage(
      named: StoreTests.reference, layers: [layer.descriptor], diffIDs: [Digest.ofNothing])
    let mount = try StoreMount(scratch, try LayoutSource(layout.path))
    let here = FileDescriptor.workingDirectory
    let root = mount.path(StoreTests.reference, layer.descriptor.digest, "diff")
    // Whether this look comes before or after the end of the reading does not matter.
    _ = try? here.status(of: root)
    var error: Errno?
    for number in 0..<500 where error == nil {
      pause(milliseconds: 10)
      // A name that the kernel has not asked for yet, so that it asks.
      do throws(Errno) {
        _ = try here.status(of: root.appending(RawPath("name\(number)")))
      } catch let found {
        if found == .inputOutputError { error = found }
      }
    }
    #expect(error == .inputOutputError)
    #expect(
      try !here.exists(
        scratch.path(RawPath("state/layers/\(layer.tocDigest.hex)/binding"))))
  }
}
