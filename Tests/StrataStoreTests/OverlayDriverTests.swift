import StrataDrivers
import StrataModel
import StrataSystem
import StrataTestSupport
import Testing

/// The program that real mounts are made with: `STRATA_OVERLAY`, else Debian's.
let testMountProgram = RawPath(environmentValue("STRATA_OVERLAY") ?? "/usr/bin/fuse-overlayfs")

/// A driver on two fresh roots.
private struct DriverFixture {
  let store: StoreFixture
  let driver: OverlayDriver

  /// `program` is the text of a mount program of the test's own.
  init(_ options: [String] = [], program: String? = nil) throws {
    store = try StoreFixture("driver")
    var options = options
    if let program {
      let path = try store.scratch.write("program", program, mode: 0o755)
      options.append("overlay.mount_program=\(path)")
    }
    driver = try OverlayDriver(
      graphRoot: store.graphRoot, runRoot: store.runRoot, options: OverlayOptions(options))
  }

  /// A driver whose mount program tells in its error what it was asked for.
  static func refusing(_ options: [String] = []) throws -> DriverFixture {
    try DriverFixture(options, program: "#!/bin/sh\necho \"$0|$1|$3|$PWD\" >&2\nexit 3\n")
  }
}

private let base = String(repeating: "a1", count: 32)
private let child = String(repeating: "b2", count: 32)
private let leaf = String(repeating: "c3", count: 32)

@Suite struct OverlayDriverTests {
  /// Names, modes and contents of storage-format 1.1, measured there with the peer.
  @Test func layerDirectoriesAreThePeers() throws {
    let fixture = try DriverFixture()
    let (driver, root) = (fixture.driver, fixture.store.scratch.directory)
    try driver.create(base, parent: nil, mappings: IDMappings())
    try driver.create(child, parent: base, mappings: IDMappings())
    try driver.create(leaf, parent: child, mappings: IDMappings())

    func mode(_ name: String) throws -> UInt32 {
      try root.status(of: RawPath("root/overlay/\(name)")).mode
    }
    func text(_ name: String) throws -> String {
      try fixture.store.scratch.text(RawPath("root/overlay/\(name)"))
    }
    #expect(try mode("") == 0o40700)
    #expect(try mode("l") == 0o40755)
    #expect(try mode(".has-mount-program") == 0o100600)
    #expect(try text(".has-mount-program") == "true")
    #expect(
      try fixture.store.scratch.tree(RawPath("root/overlay/\(base)")).map(\.lastComponent)
        == ["diff", "empty", "link", "merged", "work"])
    #expect(
      try fixture.store.scratch.tree(RawPath("root/overlay/\(leaf)")).map(\.lastComponent)
        == ["diff", "link", "lower", "merged", "work"])
    for name in ["", "/work", "/merged", "/empty"] {
      #expect(try mode(base + name) == 0o40700)
    }
    #expect(try mode(base + "/diff") == 0o40555)
    #expect(try mode(base + "/link") == 0o100644)
    #expect(try mode(leaf + "/lower") == 0o100644)
    let links = try [base, child, leaf].map { try text("\($0)/link") }
    #expect(links.allSatisfy { $0.utf8.count == 26 })
    #expect(try text("\(leaf)/lower") == "l/\(links[1]):l/\(links[0])")
    #expect(
      try root.readLink(RawPath("root/overlay/l/\(links[2])")).description == "../\(leaf)/diff")
  }

  @Test func aChildsRootIsItsParents() throws {
    let fixture = try DriverFixture()
    try fixture.driver.create(base, parent: nil, mappings: IDMappings())
    let diff = try fixture.driver.openDiff(base)
    try diff.view.setMode(0o1777)
    try fixture.driver.create(child, parent: base, mappings: IDMappings())
    let status = try fixture.driver.openDiff(child)
    #expect(try status.view.status().permissions == 0o1777)
  }

  @Test(.needsRoot) func ownersComeFromTheMaps() throws {
    let fixture = try DriverFixture()
    let maps = [IDMap(containerID: 0, hostID: 100_000, size: 65536)]
    try fixture.driver.create(base, parent: nil, mappings: IDMappings(uids: maps, gids: maps))
    for name in ["", "/diff", "/work", "/merged", "/empty"] {
      let status = try fixture.store.scratch.directory.status(
        of: RawPath("root/overlay/\(base)\(name)"))
      #expect(status.uid == 100_000 && status.gid == 100_000, "\(name)")
    }
  }

  /// storage-format 6.3: each part of the text in its place.
  @Test func theOptionStringIsThePeers() throws {
    let fixture = try DriverFixture.refusing(["overlay.mountopt=nodev,fsync=0,metacopy=on"])
    let (driver, home) = (fixture.driver, fixture.driver.home)
    try driver.create(base, parent: nil, mappings: IDMappings())
    try driver.create(child, parent: base, mappings: IDMappings())
    let link = try fixture.store.scratch.text(RawPath("root/overlay/\(base)/link"))
    let maps = [
      IDMap(containerID: 0, hostID: 1000, size: 1), IDMap(containerID: 1, hostID: 1001, size: 9),
    ]

    func text(_ id: String, _ options: DriverMountOptions) -> String {
      do throws(StoreError) {
        _ = try driver.mount(id, options)
        return "mounted"
      } catch {
        let parts = error.message.split(separator: "\"")
        return parts.count > 1 ? String(parts[1]) : error.message
      }
    }
    let upper = "upperdir=\(home)/\(child)/diff,workdir=\(home)/\(child)/work"
    #expect(text(child, .init()) == "lowerdir=\(home)/l/\(link),\(upper),fsync=0")
    #expect(
      text(child, .init(options: ["a", "ro2"], volatile: true))
        == "lowerdir=\(home)/l/\(link),\(upper),a,ro2,volatile")
    #expect(
      text(child, .init(options: [], mappings: IDMappings(uids: maps, gids: [maps[0]])))
        == "lowerdir=\(home)/l/\(link),\(upper),"
        + "uidmapping=:0:1000:1:1:1001:9,squash_to_gid=1000")
    #expect(
      text(child, .init(options: ["ro"])) == "lowerdir=\(home)/\(child)/diff:\(home)/l/\(link)")
    #expect(
      text(base, .init(options: [], readOnly: true))
        == "lowerdir=\(home)/\(base)/diff:\(home)/\(base)/empty")
  }

  @Test func aFailingMountProgramIsQuoted() throws {
    let fixture = try DriverFixture.refusing()
    try fixture.driver.create(base, parent: nil, mappings: IDMappings())
    let (home, point) = (fixture.driver.home, fixture.driver.mountPoint(of: base))
    do throws(StoreError) {
      _ = try fixture.driver.mount(base, DriverMountOptions())
      Issue.record("mounted")
    } catch {
      #expect(error.code == .mountProgram)
      #expect(error.message.hasPrefix("creating overlay mount to \(point), mount_data="))
      #expect(error.message.contains("|-o|\(point)|\(home): exit status 3"))
    }
    #expect(!fixture.driver.isMounted(at: point))
  }

  @Test(arguments: [
    ("overlay.bogus=1", "overlay: unknown option overlay.bogus"),
    (
      "overlay.force_mask=shared", "overlay: overlay.force_mask=shared: force_mask is not supported"
    ),
    ("nothing", "unable to parse key/value option: nothing"),
    (".skip_mount_home=maybe", "overlay: .skip_mount_home=maybe: neither true nor false"),
  ])
  func optionsAreRefusedByName(_ option: String, _ message: String) {
    #expect(throws: StoreError(.usage, message)) { try OverlayOptions([option]) }
  }

  @Test func aMissingMountProgramIsNamed() {
    #expect(
      throws: StoreError(
        .system(2), "overlay: can't stat program \"/no/such\": no such file or directory")
    ) { try DriverFixture(["overlay.mount_program=/no/such"]) }
  }

  @Test func removalIsIdempotentAndWhole() throws {
    let fixture = try DriverFixture()
    try fixture.driver.create(base, parent: nil, mappings: IDMappings())
    try fixture.driver.remove(base)
    try fixture.driver.remove(base)
    #expect(
      try fixture.store.scratch.tree("root/overlay").map(\.lastComponent)
        == [".has-mount-program", "l"])
  }

  /// What an attempt that was cut left behind is replaced.
  @Test func creationReplacesRemains() throws {
    let fixture = try DriverFixture()
    try fixture.driver.create(base, parent: nil, mappings: IDMappings())
    try fixture.store.scratch.directory.unlink(RawPath("root/overlay/\(base)/link"))
    try fixture.store.scratch.write(RawPath("root/overlay/\(base)/work/debris"), "x")
    try fixture.driver.create(base, parent: nil, mappings: IDMappings())
    #expect(try fixture.store.scratch.tree(RawPath("root/overlay/\(base)/work")).isEmpty)
  }

  @Test func lostLinksAreMadeAgain() throws {
    let fixture = try DriverFixture()
    let (driver, scratch) = (fixture.driver, fixture.store.scratch)
    for (id, parent) in [(base, nil), (child, base), (leaf, child)] as [(String, String?)] {
      try driver.create(id, parent: parent, mappings: IDMappings())
    }
    let link = try scratch.text(RawPath("root/overlay/\(child)/link"))
    let baseLink = try scratch.text(RawPath("root/overlay/\(base)/link"))
    // One layer loses its file, another its link: each is made of the other.
    try scratch.directory.unlink(RawPath("root/overlay/\(child)/link"))
    try scratch.directory.unlink(RawPath("root/overlay/l/\(baseLink)"))
    try scratch.directory.makeSymlink("root/overlay/l/MALFORMED", to: "/etc")
    #expect(try driver.diffDirectories(leaf).all.count == 3)
    #expect(try scratch.text(RawPath("root/overlay/\(child)/link")) == link)
    #expect(try !scratch.directory.exists("root/overlay/l/MALFORMED"))
    // Both lost: nothing can tell the name.
    try scratch.directory.removeTree("root/overlay/l")
    try scratch.directory.unlink(RawPath("root/overlay/\(child)/link"))
    #expect(throws: StoreError.self) { try driver.diffDirectories(leaf) }
  }

  @Test func sizesCountEachInodeOnce() throws {
    let fixture = try DriverFixture()
    try fixture.driver.create(base, parent: nil, mappings: IDMappings())
    let diff = "root/overlay/\(base)/diff"
    try fixture.store.scratch.write(RawPath("\(diff)/a/f"), "12345")
    try fixture.store.scratch.directory.link(
      RawPath("\(diff)/a/f"), to: fixture.store.scratch.directory, RawPath("\(diff)/g"))
    try fixture.store.scratch.directory.makeSymlink(RawPath("\(diff)/s"), to: "abc")
    #expect(try fixture.driver.diffSize(base) == 8)
  }
}

/// With a real mount program, one mount after the other.
@Suite(.serialized, .tags(.fuse, .root), .needsFuse, .needsRoot, .timeLimit(.minutes(2)))
struct OverlayMountTests {
  @Test func whatIsWrittenGoesToTheUpperDirectory() throws {
    let fixture = try DriverFixture(["overlay.mount_program=\(testMountProgram)"])
    let (driver, scratch) = (fixture.driver, fixture.store.scratch)
    try driver.create(base, parent: nil, mappings: IDMappings())
    try scratch.write(RawPath("root/overlay/\(base)/diff/below"), "b")
    try driver.create(child, parent: base, mappings: IDMappings())
    try driver.prepareForMounts()
    try driver.prepareForMounts()
    let point = try driver.mount(child, DriverMountOptions())
    #expect(try driver.mount(child, DriverMountOptions()) == point)
    let here = FileDescriptor.workingDirectory
    #expect(try here.contents(of: point.appending("below")) == Array("b".utf8))
    let file = try here.open(point.appending("new"), [.writeOnly, .create], mode: 0o644)
    try file.view.writeAll(Array("123".utf8))
    try file.close()
    try driver.unmount(child)
    try driver.unmount(child)
    #expect(!driver.isMounted(at: point))
    #expect(try driver.diffSize(child) == 3)
    // The one private bind mount of the home is left, and goes at shutdown.
    let left = try mounts(below: scratch.path).map(\.mountPoint)
    #expect(left == [driver.home])
    try driver.shutDown()
    try driver.shutDown()
    #expect(try mounts(below: scratch.path).isEmpty)
  }

  @Test func aMountedLayerCanBeRemoved() throws {
    let fixture = try DriverFixture(["overlay.mount_program=\(testMountProgram)"])
    try fixture.driver.create(base, parent: nil, mappings: IDMappings())
    _ = try fixture.driver.mount(base, DriverMountOptions())
    try fixture.driver.remove(base)
    #expect(!fixture.driver.exists(base))
    #expect(try fixture.store.containerMounts().isEmpty)
  }

  @Test func aLostMergedDirectoryIsMadeAgain() throws {
    let fixture = try DriverFixture(["overlay.mount_program=\(testMountProgram)"])
    try fixture.driver.create(base, parent: nil, mappings: IDMappings())
    for name in ["merged", "work", "empty"] {
      try fixture.store.scratch.directory.removeDirectory(RawPath("root/overlay/\(base)/\(name)"))
    }
    let point = try fixture.driver.mount(base, DriverMountOptions(volatile: true))
    #expect(fixture.driver.isMounted(at: point))
    try fixture.driver.unmount(base)
  }
}
