import StrataArchive
import StrataCompression
import StrataModel
import StrataSystem
import StrataTestSupport
import Testing

@Suite struct ApplyTests {
  @Test func writesWhatTheArchiveSays() throws {
    var odd = TarHeader(
      name: "d/odd", mode: 0o4755,
      modificationTime: TarHeader.Time(seconds: 1_234_567_890, nanoseconds: 123_456_789))
    odd.xattrs = [TarHeader.Xattr(name: Array("user.note".utf8), value: [1, 0, 2])]
    let tar = try TarMaker().directory("d/", mode: 0o750).file("d/f").entry(odd)
      .link("d/l", to: "../../../etc/passwd").link("h", to: "d/f", hard: true).bytes()
    let tree = try AppliedTree(tar)
    #expect(try tree.names() == ["d", "d/f", "d/l", "d/odd", "h"])
    #expect(try tree.status("d").permissions == 0o750)
    #expect(try tree.status("d/f").linkCount == 2)
    #expect(try tree.status("h").inode == tree.status("d/f").inode)
    let status = try tree.status("d/odd")
    #expect(status.permissions == 0o4755)
    #expect(status.modificationTime == FileTime(seconds: 1_234_567_890, nanoseconds: 123_456_789))
    let value = try tree.scratch.directory.xattr("user.note", of: "diff/d/odd")
    #expect(value == [1, 0, 2])
    #expect(try tree.assembled() == tar)
    #expect(tree.layer.contentSize == Int64("hello\n".count + "../../../etc/passwd".count))
    #expect(tree.layer.diffSize == Int64(tar.count))
  }

  @Test func keepsBothDigestsOfACompressedLayer() throws {
    let tar = try TarMaker().file("f").bytes()
    let target = ArraySink()
    let gzip = GzipSink(to: target)
    try gzip.write(tar)
    try gzip.finish()
    let (plain, packed) = (try AppliedTree(tar), try AppliedTree(target.bytes))
    #expect(plain.layer.compression == .none)
    #expect(plain.layer.compressedDigest == plain.layer.diffID)
    #expect(packed.layer.compression == .gzip)
    #expect(packed.layer.diffID == plain.layer.diffID)
    #expect(packed.layer.compressedDigest != packed.layer.diffID)
    #expect(packed.layer.compressedSize == Int64(target.bytes.count))
    #expect(try packed.assembled() == tar)
  }

  @Test func takesAnEmptyStreamForAnEmptyLayer() throws {
    let tree = try AppliedTree([])
    #expect(try tree.names() == [])
    #expect(tree.layer.diffID == Digest.ofNothing)
    #expect(try tree.assembled() == [])
  }

  @Test(arguments: ["../x", "/x", "../../../../x", "/../x", "a/../../x", "./../x"])
  func rootsNamesThatLeadOutside(name: String) throws {
    let tar = try TarMaker().file(name, "inside").bytes()
    let tree = try AppliedTree(tar)
    #expect(try tree.text("x") == "inside")
    #expect(try tree.scratch.tree() == ["diff", "diff/x", "outside", "outside/file"])
    #expect(try tree.assembled() == tar)
  }

  @Test(arguments: ["../outside", "../../../..", "/", "/outside", "l", "."])
  func neverFollowsALinkOutside(target: String) throws {
    let tar = try TarMaker().link("l", to: target).file("l/file", "evil").bytes()
    // Refused, or made inside: the one file outside stays as it is.
    let tree = try? AppliedTree(tar)
    if let tree {
      #expect(try tree.scratch.text("outside/file") == "untouched")
      #expect(try tree.scratch.tree().contains("outside/evil") == false)
      #expect(try tree.assembled() == tar)
    }
  }

  @Test func followsALinkInsideTheLayer() throws {
    let tar = try TarMaker().directory("real").link("l", to: "/real").file("l/f").file("l/d/g")
      .bytes()
    let tree = try AppliedTree(tar)
    #expect(try tree.names() == ["l", "real", "real/d", "real/d/g", "real/f"])
    #expect(try tree.assembled() == tar)
  }

  @Test(arguments: ["../outside/file", "/outside/file", "../../../../etc/passwd", "missing"])
  func refusesAHardLinkToOutside(target: String) throws {
    let error = try #require(
      refusal(of: try TarMaker().link("h", to: target, hard: true).bytes()))
    let says = "link h to \(target), which is not in this layer: no such file or directory"
    #expect(error.message == says)
  }

  @Test func refusesAHardLinkThroughALinkOutside() throws {
    let tar = try TarMaker().link("l", to: "../outside").link("h", to: "l/file", hard: true).bytes()
    #expect(refusal(of: tar) != nil)
  }

  @Test(arguments: [["f", "f"], ["f", "./f"], ["a/../f", "f"]])
  func refusesAPathThatComesTwice(names: [String]) throws {
    let tar = try TarMaker().file(names[0]).file(names[1]).bytes()
    let error = try #require(refusal(of: tar))
    #expect(error.message == "\(names[1]): duplicates of file paths not supported")
  }

  @Test func refusesToLoseABodyThatWasRecorded() throws {
    for replacement in ["/f", "../f"] {
      let error = try #require(
        refusal(of: try TarMaker().file("f", "one").file(replacement, "two").bytes()))
      #expect(error.message.contains("duplicates of file paths not supported"))
      #expect(error.message.hasPrefix(replacement))
    }
    #expect(refusal(of: try TarMaker().file("d/f").file("/d").bytes()) != nil)
  }

  @Test func replacesWhatHasNoBody() throws {
    let tar = try TarMaker().link("a", to: "x").directory("/a").file("b", "").directory("/b")
      .directory("c").file("/c", "now a file").bytes()
    let tree = try AppliedTree(tar)
    #expect(try tree.status("a").type == .directory)
    #expect(try tree.status("b").type == .directory)
    #expect(try tree.text("c") == "now a file")
    #expect(try tree.assembled() == tar)
  }

  @Test func leavesTheRootAsItIs() throws {
    let tree = try AppliedTree(try TarMaker().directory("./", mode: 0o700).file("./f").bytes())
    #expect(try tree.scratch.directory.status(of: "diff").permissions == 0o755)
  }

  @Test func leavesOutXattrsThatSteerOverlays() throws {
    var header = TarHeader(name: "d", type: .directory)
    header.xattrs = [
      "trusted.overlay.opaque", "user.overlay.redirect", "user.fuseoverlayfs.opaque",
      "user.containers.override_stat", "user.kept",
    ].map { TarHeader.Xattr(name: Array($0.utf8), value: [0x79]) }
    let tree = try AppliedTree(try TarMaker().entry(header).bytes())
    #expect(try tree.scratch.directory.xattrNames(of: "diff/d") == ["user.kept"])
  }

  @Test func limitsTheLengthOfPaths() throws {
    let long = (0..<25).map { _ in String(repeating: "d", count: 200) }.joined(separator: "/")
    for name in [long, String(repeating: "n", count: 256)] {
      let error = try #require(refusal(of: try TarMaker().file(name).bytes()))
      #expect(error.kind == .system(.nameTooLong))
    }
  }

  @Test(arguments: [1, 100, 511, 600, 1024, 1030])
  func namesTheEntryWhereTheArchiveIsCut(length: Int) throws {
    let tar = try TarMaker().file("first", String(repeating: "x", count: 600)).bytes()
    let error = try #require(refusal(of: Array(tar[..<length])))
    #expect(error.kind == .unexpectedEnd && error.message.contains("unexpected EOF"))
    if length > 512 { #expect(error.message.contains("first")) }
  }

  @Test func refusesJunk() throws {
    let error = try #require(refusal(of: [UInt8](repeating: 0x41, count: 2048)))
    #expect(error.message.contains("invalid tar header"))
  }

  @Test func mapsOwnersAndRefusesThoseWithoutAMap() throws {
    let maps = IDMappings(
      uids: [IDMap(containerID: 0, hostID: 0, size: 10)],
      gids: [IDMap(containerID: 0, hostID: 0, size: 10)])
    var header = TarHeader(name: "f")
    header.uid = 10
    let error = try #require(
      refusal(of: try TarMaker().entry(header).bytes(), ApplyOptions(mappings: maps)))
    #expect(error.message.contains("f: owner 10:0 has no host ID"))
  }

  @Test(.needsRoot) func shiftsOwners() throws {
    let maps = IDMappings(
      uids: [IDMap(containerID: 0, hostID: 100_000, size: 65_536)],
      gids: [IDMap(containerID: 0, hostID: 200_000, size: 65_536)])
    var header = TarHeader(name: "p/q/f")
    (header.uid, header.gid) = (5, 6)
    let tree = try AppliedTree(
      try TarMaker().entry(header).bytes(), ApplyOptions(mappings: maps))
    let (file, parent) = (try tree.status("p/q/f"), try tree.status("p"))
    #expect((file.uid, file.gid) == (100_005, 200_006))
    #expect((parent.uid, parent.gid) == (100_000, 200_000))
    #expect(tree.layer.uids == [5] && tree.layer.gids == [6])
  }

  @Test(.needsRoot) func makesDevicesButInAUserNamespace() throws {
    var device = TarHeader(name: "null", type: .characterDevice)
    (device.deviceMajor, device.deviceMinor) = (1, 3)
    let tar = try TarMaker().entry(device).entry(TarHeader(name: "pipe", type: .fifo)).bytes()
    let made = try AppliedTree(tar)
    #expect(try made.status("null").representedDevice == DeviceNumber(major: 1, minor: 3))
    let left = try AppliedTree(tar, ApplyOptions(inUserNamespace: true))
    #expect(try left.names() == ["pipe"])
    #expect(try left.assembled() == tar)
  }

  @Test func keepsWhiteoutsAsFiles() throws {
    let tar = try TarMaker().file(".wh.gone", "").directory("d").file("d/.wh..wh..opq", "").bytes()
    let tree = try AppliedTree(tar)
    #expect(try tree.names() == [".wh.gone", "d", "d/.wh..wh..opq"])
    #expect(try tree.assembled() == tar)
  }

  @Test func appliesWhiteouts() throws {
    let tar = try TarMaker().file(".wh.gone", "").file("d/new").file("d/.wh..wh..opq", "")
      .file("d/sub/.wh.nothing", "").bytes()
    let tree = try AppliedTree(tar, ApplyOptions(whiteouts: .apply)) { scratch in
      try scratch.write("diff/gone/deep/file", "x")
      try scratch.write("diff/d/old", "x")
      try scratch.write("diff/kept", "x")
    }
    #expect(try tree.names() == ["d", "d/new", "d/sub", "kept"])
  }

  @Test(arguments: [".wh.", ".wh..", ".wh..."])
  func refusesWhiteoutsOfNothing(name: String) throws {
    let error = try #require(
      refusal(of: try TarMaker().file(name, "").bytes(), ApplyOptions(whiteouts: .apply)))
    #expect(error.message.contains(name))
  }
}
