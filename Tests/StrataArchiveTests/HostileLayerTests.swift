import StrataArchive
import StrataModel
import StrataSystem
import StrataTestSupport
import Testing

/// What a layer may try against the machine that takes it: nothing is written outside its directory,
/// no other layer's view changes but by what every layer can say, and an error names the entry.
@Suite struct HostileLayerTests {
  private func header(_ name: String, _ type: TarHeader.EntryType, link: String = "") -> TarHeader {
    TarHeader(name: name, type: type, linkName: Array(link.utf8))
  }

  private func expectUntouched(_ tree: AppliedTree) throws {
    let outside = try tree.scratch.tree().filter { !$0.hasPrefix("diff") }
    #expect(outside == ["outside", "outside/file"])
    #expect(try tree.scratch.text("outside/file") == "untouched")
  }

  @Test func aLinkThatTakesADirectorysPlaceBetweenTwoEntries() throws {
    let tar = try TarMaker().directory("d").directory("d/e").link("/d/e", to: "../../outside")
      .file("d/e/file", "evil").bytes()
    let error = try #require(refusal(of: tar))
    #expect(error.message == "open d/e/file: no such file or directory")
    let hit = try TarMaker().directory("d").directory("outside").link("/d", to: "../outside")
      .file("d/file", "evil").bytes()
    let tree = try AppliedTree(hit)
    #expect(try tree.text("outside/file") == "evil")
    try expectUntouched(tree)
    #expect(try tree.assembled() == hit)
  }

  @Test func aHardLinkThroughALinkStaysInside() throws {
    let tar = try TarMaker().directory("outside").file("outside/file", "own")
      .link("l", to: "/../../outside").link("h", to: "l/file", hard: true).bytes()
    let tree = try AppliedTree(tar)
    #expect(try tree.status("h").inode == tree.status("outside/file").inode)
    try expectUntouched(tree)
  }

  @Test func metadataOfAHardLinkDoesNotPassALink() throws {
    var link = header("h", .hardLink, link: "l")
    link.mode = 0o777
    let tar = try TarMaker().link("l", to: "../outside/file").entry(link).bytes()
    let tree = try AppliedTree(tar)
    #expect(try tree.scratch.directory.status(of: "outside/file").permissions == 0o644)
    try expectUntouched(tree)
  }

  @Test(arguments: ["/.wh.", "./.wh..", ".wh...", "/.wh..wh..opq", "d/../.wh..wh.plnk"])
  func whiteoutsOfTheRootAndOfNothing(name: String) throws {
    let tar = try TarMaker().file("kept").file(name, "").bytes()
    let tree = try AppliedTree(tar)
    #expect(try tree.text("kept") == "hello\n")
    try expectUntouched(tree)
    #expect(try tree.assembled() == tar)
    // Such a directory as an upper one: it hides nothing but, by the opaque mark, all below.
    try tree.scratch.makeDirectory("lower/below")
    let upper = try tree.scratch.directory.open("diff", [.readOnly, .directory])
    let lower = try tree.scratch.directory.open("lower", [.readOnly, .directory])
    let changes = try findChanges(upper: upper.view, lowers: [lower.view])
    let deleted = changes.filter { $0.kind == .deleted }.map(\.path)
    #expect(deleted == (name.hasSuffix("opq") ? [Array("/below".utf8)] : []))
  }

  @Test func whiteoutsThatAreDirectoriesOrLinksHideNothing() throws {
    let tar = try TarMaker().directory(".wh.a").link(".wh.b", to: "a").entry(
      header(".wh.c", .fifo)
    ).bytes()
    let tree = try AppliedTree(tar)
    for name in ["a", "b", "c"] { try tree.scratch.write(RawPath("lower/\(name)"), "x") }
    let upper = try tree.scratch.directory.open("diff", [.readOnly, .directory])
    let lower = try tree.scratch.directory.open("lower", [.readOnly, .directory])
    #expect(try findChanges(upper: upper.view, lowers: [lower.view]).isEmpty)
  }

  @Test func whiteoutsOfTheRootAreRefusedWhereTheyTakeEffect() throws {
    for name in ["/.wh.", "./.wh..", "../.wh..."] {
      let error = try #require(
        refusal(of: try TarMaker().file(name, "").bytes(), ApplyOptions(whiteouts: .apply)))
      #expect(error.message.contains(name))
    }
    // Nor does one reach beyond a link.
    let tar = try TarMaker().link("l", to: "../outside").file("l/.wh.file", "").bytes()
    if let tree = try? AppliedTree(tar, ApplyOptions(whiteouts: .apply)) {
      try expectUntouched(tree)
    }
    let opaque = try TarMaker().link("l", to: "../outside").file("l/.wh..wh..opq", "").bytes()
    if let tree = try? AppliedTree(opaque, ApplyOptions(whiteouts: .apply)) {
      try expectUntouched(tree)
    }
  }

  @Test(arguments: [TarHeader.EntryType.regular, .directory, .hardLink])
  func attributesThatSteerOverlays(type: TarHeader.EntryType) throws {
    var header = header("x", type, link: "f")
    header.xattrs = [
      "trusted.overlay.opaque", "trusted.overlay.redirect", "trusted.overlay.metacopy",
      "trusted.overlay.origin", "user.overlay.opaque", "user.overlay.redirect",
      "user.fuseoverlayfs.opaque", "user.fuseoverlayfs.origin", "security.fuseoverlayfs.x",
      "user.containers.override_stat", "user.kept",
    ].map { TarHeader.Xattr(name: Array($0.utf8), value: [0x79]) }
    let tar = try TarMaker().file("f").entry(header).bytes()
    let tree = try AppliedTree(tar)
    #expect(try tree.scratch.directory.xattrNames(of: "diff/x") == ["user.kept"])
    #expect(try tree.assembled() == tar)
  }

  /// A whiteout in the kernel's form hides what one in OCI's form would: its own name.
  @Test(.needsRoot) func devicesThatAreWhiteouts() throws {
    let tar = try TarMaker().entry(header("gone", .characterDevice)).bytes()
    let tree = try AppliedTree(tar)
    for name in ["gone", "kept"] { try tree.scratch.write(RawPath("lower/\(name)"), "x") }
    let upper = try tree.scratch.directory.open("diff", [.readOnly, .directory])
    let lower = try tree.scratch.directory.open("lower", [.readOnly, .directory])
    let changes = try findChanges(upper: upper.view, lowers: [lower.view])
    #expect(changes.map(\.path) == [Array("/gone".utf8)])
  }

  @Test(arguments: ["x", "g", "L", "K"])
  func headersAbove1MiB(type: String) throws {
    let letter = try #require(type.utf8.first)
    var special = TarHeader(name: "special", size: (1 << 20) + 1)
    special.type = TarHeader.EntryType(rawValue: letter)
    // A header that only claims it costs nothing either.
    for claimed: Int64 in [(1 << 20) + 1, (1 << 33) - 1] {
      special.size = claimed
      let sink = ArraySink()
      let writer = TarWriter(sink)
      try writer.append(TarHeader(name: "before"), bytes: [])
      try? writer.append(special, body: ArraySource([UInt8](repeating: 0x61, count: 1 << 21)))
      try writer.finish()
      let error = try #require(refusal(of: sink.bytes))
      #expect(error.kind == .limit && error.message.contains("before"), "\(error)")
    }
  }

  @Test func namesThatTheKernelRefuses() throws {
    let long = String(repeating: "l/", count: 2500)
    for entry in [
      header("s", .symlink, link: long), header("h", .hardLink, link: long), header(long, .regular),
    ] {
      let error = try #require(refusal(of: try TarMaker().entry(entry).bytes()))
      #expect(error.kind == .system(.nameTooLong))
      #expect(error.message.contains(entry.displayName))
    }
  }

  /// Each of these names has 2,000 components: 10,000 directories, opened in any order.
  @Test(.timeLimit(.minutes(1))) func namesOfManyComponents() throws {
    let maker = TarMaker()
    let rest = String(repeating: "/d", count: 1990)
    for number in 0..<5 { try maker.file("\(number)\(rest)/f") }
    for number in 0..<200 { try maker.file("\(number % 5)\(rest)/g\(number)") }
    let tar = try maker.bytes()
    let tree = try AppliedTree(tar)
    #expect(try tree.assembled() == tar)
    #expect(tree.layer.contentSize == 205 * 6)
  }

  /// More than memory is to be spent on: their times wait in a file.
  @Test func directoriesWithLongNames() throws {
    let maker = TarMaker()
    let long = String(repeating: "d", count: 250)
    var header = header("", .directory)
    header.modificationTime = TarHeader.Time(seconds: 1_500_000_000, nanoseconds: 7)
    for number in 0..<60 {
      var name = "\(number)"
      for _ in 0..<14 {
        header.name = Array((name + "/").utf8)
        try maker.entry(header)
        for more in 0..<4 {
          header.name = Array("\(name)/\(more)\(long)/".utf8)
          try maker.entry(header)
        }
        name += "/\(long)"
      }
    }
    let tree = try AppliedTree(try maker.bytes())
    for name in ["0", "59", "0/\(long)/3\(long)", "59/" + String(repeating: "\(long)/", count: 13)]
    {
      let time = try tree.status(name).modificationTime
      #expect(time == FileTime(seconds: 1_500_000_000, nanoseconds: 7))
    }
    #expect(
      try tree.scratch.directory.entries().map(\.name.description).sorted() == ["diff", "outside"])
  }

  @Test func aDirectoryInAFilesPlaceAndAFileInADirectorys() throws {
    for tar in [
      try TarMaker().file("x").directory("/x").bytes(),
      try TarMaker().file("x").file("x/y").bytes(),
      try TarMaker().file("x/y").file("/x").bytes(),
    ] {
      let error = try #require(refusal(of: tar))
      #expect(error.message.contains("x"))
    }
  }

  /// A line of a tar-split file that never ends is given up, not kept.
  @Test func aTarSplitFileThatBlowsUp() throws {
    let packed = try runProgram("bash", ["-c", "head -c 400M /dev/zero | tr '\\0' x | gzip -1"])
    do throws(StreamError) {
      try assembleLayer(tarSplit: ArraySource(packed.stdout), files: [], to: ArraySink())
      Issue.record("accepted")
    } catch { #expect(error.kind == .limit) }
  }
}
