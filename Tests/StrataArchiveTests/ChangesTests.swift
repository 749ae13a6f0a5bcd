import StrataArchive
import StrataModel
import StrataSystem
import StrataTestSupport
import Testing

/// An upper directory over one lower, both made by hand.
private final class Layers {
  let scratch: ScratchDirectory

  init() throws {
    scratch = try ScratchDirectory("changes")
    for name in ["etc/passwd", "etc/group", "var/old/file", "var/other", "bin/sh"] {
      try scratch.write(RawPath("lower/\(name)"), name)
    }
    try scratch.makeDirectory("upper")
  }

  private func open(_ name: RawPath) throws -> SharedDescriptor {
    SharedDescriptor(try scratch.directory.open(name, [.readOnly, .directory]))
  }

  func changes() throws -> [String] {
    let (upper, lower) = (try open("upper"), try open("lower"))
    return try findChanges(upper: upper.view, lowers: [lower.view]).map(\.description)
  }

  /// The entries of the layer tar: type byte, mode in octal, name, link target.
  func entries(_ mappings: IDMappings = IDMappings()) throws -> [String] {
    try headers(mappings).map { header in
      let link =
        header.linkName.isEmpty ? "" : " -> \(String(decoding: header.linkName, as: UTF8.self))"
      let type = String(decoding: [header.type.rawValue], as: UTF8.self)
      return "\(type) \(String(header.mode, radix: 8)) \(header.displayName)\(link)"
    }
  }

  func headers(_ mappings: IDMappings = IDMappings()) throws -> [TarHeader] {
    let (upper, lower) = (try open("upper"), try open("lower"))
    let sink = ArraySink()
    var rules = ComparisonRules()
    (rules.mappings, rules.lowerMappings) = (mappings, mappings)
    try writeChanges(upper: upper.view, lowers: [lower.view], rules: rules, to: sink)
    let reader = TarReader(ArraySource(sink.bytes))
    var headers: [TarHeader] = []
    while let header = try reader.next() { headers.append(header) }
    return headers
  }
}

@Suite struct ChangesTests {
  @Test func tellsAddedFromChanged() throws {
    let layers = try Layers()
    try layers.scratch.write("upper/etc/passwd", "changed")
    try layers.scratch.write("upper/new/deep/file", "x")
    #expect(
      try layers.changes() == [
        "C /etc", "C /etc/passwd", "A /new", "A /new/deep", "A /new/deep/file",
      ])
    #expect(
      try layers.entries() == [
        "5 755 etc/", "0 644 etc/passwd", "5 755 new/", "5 755 new/deep/", "0 644 new/deep/file",
      ])
  }

  @Test func listsNothingForACopyThatIsTheSame() throws {
    let layers = try Layers()
    try layers.scratch.write("upper/etc/passwd", "etc/passwd")
    let time = try layers.scratch.directory.status(of: "lower/etc/passwd").modificationTime
    try layers.scratch.directory.setTimes(
      of: "upper/etc/passwd", access: .keep, modification: .to(time))
    #expect(try layers.changes() == [])
    // Same size, same time, other content: what the peer misses.
    try layers.scratch.write("upper/etc/passwd", "etc/passwx")
    try layers.scratch.directory.setTimes(
      of: "upper/etc/passwd", access: .keep, modification: .to(time))
    #expect(try layers.changes() == ["C /etc", "C /etc/passwd"])
  }

  @Test(.needsRoot) func readsWhiteoutsInEveryForm() throws {
    let layers = try Layers()
    try layers.scratch.write("upper/etc/.wh.passwd", "")
    try layers.scratch.makeDirectory("upper/bin")
    try layers.scratch.directory.makeNode("upper/bin/sh", mode: 0o020000)
    // Of what is not there: nothing was deleted.
    try layers.scratch.write("upper/.wh.nothing", "")
    #expect(try layers.changes() == ["C /bin", "D /bin/sh", "C /etc", "D /etc/passwd"])
    #expect(
      try layers.entries() == ["5 755 bin/", "0 0 bin/.wh.sh", "5 755 etc/", "0 0 etc/.wh.passwd"])
  }

  @Test(
    .needsRoot,
    arguments: ["trusted.overlay.opaque", "user.overlay.opaque", "user.fuseoverlayfs.opaque", ""])
  func readsOpaqueDirectoriesInEveryForm(xattr: String) throws {
    let layers = try Layers()
    try layers.scratch.write("upper/var/new", "x")
    try layers.scratch.write("upper/var/old/fresh", "x")
    if xattr.isEmpty {
      try layers.scratch.write("upper/var/.wh..wh..opq", "")
      try layers.scratch.directory.makeNode("upper/var/.wh..opq", mode: 0o020000)
    } else {
      try layers.scratch.directory.setXattr(
        RawPath(xattr), [UInt8(ascii: "y")], of: "upper/var")
    }
    #expect(
      try layers.changes() == [
        "C /var", "A /var/new", "C /var/old", "D /var/old/file", "A /var/old/fresh", "D /var/other",
      ])
    #expect(try layers.headers().allSatisfy { $0.xattrs.isEmpty })
  }

  @Test func keepsHardLinksAndLeavesOutSockets() throws {
    let layers = try Layers()
    try layers.scratch.write("upper/a", "x")
    try layers.scratch.directory.link("upper/a", to: layers.scratch.directory, "upper/b")
    try layers.scratch.directory.makeSymlink("upper/s", to: "a")
    try layers.scratch.directory.makeNode("upper/socket", mode: 0o140644)
    #expect(try layers.entries() == ["0 644 a", "1 644 b -> a", "2 777 s -> a"])
  }

  @Test func appliesOverridesAndHidesThem() throws {
    let layers = try Layers()
    try layers.scratch.write("upper/f", "x")
    try layers.scratch.directory.setXattr(
      "user.containers.override_stat", Array("7:8:4755:file".utf8), of: "upper/f")
    try layers.scratch.directory.setXattr("user.note", [1], of: "upper/f")
    try layers.scratch.write("upper/dev", "")
    try layers.scratch.directory.setXattr(
      "user.fuseoverlayfs.override_stat", Array("0:0:660:char-1-3".utf8), of: "upper/dev")
    let headers = try layers.headers()
    #expect(headers.map(\.displayName) == ["dev", "f"])
    #expect(headers[0].type == .characterDevice)
    #expect((headers[0].deviceMajor, headers[0].deviceMinor) == (1, 3))
    #expect((headers[1].uid, headers[1].gid, headers[1].mode) == (7, 8, 0o4755))
    #expect(headers[1].xattrs.map { String(decoding: $0.name, as: UTF8.self) } == ["user.note"])
  }

  @Test(.needsRoot) func mapsOwnersBack() throws {
    let layers = try Layers()
    try layers.scratch.write("upper/f", "x")
    try layers.scratch.directory.setOwner(of: "upper/f", uid: 100_005, gid: 200_006)
    let maps = IDMappings(
      uids: [IDMap(containerID: 0, hostID: 100_000, size: 65_536)],
      gids: [IDMap(containerID: 0, hostID: 200_000, size: 65_536)])
    let header = try #require(try layers.headers(maps).first)
    #expect((header.uid, header.gid) == (5, 6))
  }

  /// A second commit of an unchanged container shares the layer of the first, however much later.
  @Test func whiteoutsHaveTheTimeOfTheirDirectory() throws {
    let layers = try Layers()
    try layers.scratch.write("upper/.wh.bin", "")
    try layers.scratch.write("upper/etc/.wh.group", "")
    let time = FileTime(seconds: 1_000_000_000, nanoseconds: 5)
    for directory in ["upper/etc", "upper"] {
      try layers.scratch.directory.setTimes(
        of: RawPath(directory), access: .keep, modification: .to(time))
    }
    let whiteouts = try layers.headers().filter { $0.type == .regular }
    #expect(whiteouts.map(\.displayName) == [".wh.bin", "etc/.wh.group"])
    #expect(whiteouts.allSatisfy { $0.modificationTime == TarHeader.Time(seconds: time.seconds) })
  }

  @Test func givesTheSameTreeWhenAppliedAgain() throws {
    let layers = try Layers()
    try layers.scratch.write("upper/etc/passwd", "changed")
    try layers.scratch.write("upper/.wh.bin", "")
    try layers.scratch.write("upper/var/.wh..wh..opq", "")
    try layers.scratch.write("upper/var/new", "n")
    let (upper, lower) = (
      SharedDescriptor(try layers.scratch.directory.open("upper", [.readOnly, .directory])),
      SharedDescriptor(try layers.scratch.directory.open("lower", [.readOnly, .directory]))
    )
    let sink = ArraySink()
    try writeChanges(
      upper: upper.view, lowers: [lower.view], rules: ComparisonRules(), to: sink)
    _ = try applyLayer(
      ArraySource(sink.bytes), to: lower.view, tarSplit: ArraySink(),
      options: ApplyOptions(whiteouts: .apply))
    #expect(
      try layers.scratch.tree("lower").map { String($0.description.dropFirst(6)) } == [
        "etc", "etc/group", "etc/passwd", "var", "var/new",
      ])
    #expect(try layers.scratch.text("lower/etc/passwd") == "changed")
  }
}
