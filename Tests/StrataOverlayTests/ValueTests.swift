import StrataOverlay
import StrataSystem
import Testing

@Suite struct IDMappingTests {
  let mapping = IDMapping(
    uids: [IDRange(host: 0, mount: 200_000, count: 65536)],
    gids: [IDRange(host: 0, mount: 300_000, count: 10)])

  @Test func idsAreTurnedBothWays() {
    #expect(mapping.shownUID(33) == 200_033)
    #expect(mapping.storedUID(200_033) == 33)
    #expect(mapping.shownUID(70_000) == 65534)
    #expect(mapping.storedUID(5) == nil)
    #expect(mapping.shownGID(9) == 300_009)
    #expect(mapping.shownGID(10) == 65534)
    #expect(IDMapping.identity.shownUID(7) == 7)
  }

  @Test func rootPreparesContainers() {
    #expect(mapping.storedCaller(uid: 0, gid: 0) == FileSystemIdentity(uid: 0, gid: 0))
    #expect(mapping.storedCaller(uid: 1000, gid: 0) == nil)
  }

  @Test func theLastRangeWins() {
    let mapping = IDMapping(
      uids: [
        IDRange(host: 0, mount: 100, count: 10), IDRange(host: 5, mount: 500, count: 1),
      ], gids: [])
    #expect(mapping.shownUID(5) == 500)
    #expect(mapping.shownUID(6) == 106)
  }

  @Test func aclEntriesHoldIDs() throws {
    // owner rwx, user 7 rw, group r-x, mask rwx, other ---
    let acl: [UInt8] =
      [2, 0, 0, 0] + [1, 0, 7, 0, 255, 255, 255, 255] + [2, 0, 6, 0, 7, 0, 0, 0]
      + [4, 0, 5, 0, 255, 255, 255, 255] + [16, 0, 7, 0, 255, 255, 255, 255]
      + [32, 0, 0, 0, 255, 255, 255, 255]
    let shown = try mapping.converted(acl, of: "system.posix_acl_access", .toShown)
    #expect(Array(shown[16..<20]) == [0x47, 0x0d, 0x03, 0])
    #expect(try mapping.converted(shown, of: "system.posix_acl_access", .toStored) == acl)
    #expect(throws: Errno.invalidArgument) {
      try mapping.converted(acl, of: "system.posix_acl_access", .toStored)
    }
  }

  @Test func capabilitiesHoldTheirRoot() throws {
    let version2: [UInt8] = [1, 0, 0, 2] + [UInt8](repeating: 0, count: 16)
    let shown = try mapping.converted(version2, of: "security.capability", .toShown)
    #expect(shown.count == 24 && shown[3] == 3)
    #expect(Array(shown[20...]) == [0x40, 0x0d, 0x03, 0])
    #expect(try mapping.converted(shown, of: "security.capability", .toStored) == version2)
  }
}

@Suite struct OverrideStatTests {
  @Test(arguments: [
    ("0:0:100644", 0o644, nil), ("33:34:0755:dir", 0o755, FileType.directory),
    ("1:2:4711:file", 0o4711, .regular), ("1:2:0600:pipe", 0o600, .fifo),
  ])
  func textsOfBothForms(_ text: String, _ mode: UInt32, _ type: FileType?) throws {
    let value = try #require(OverrideStat(Array(text.utf8)))
    #expect(value.permissions == mode)
    #expect(value.type == type)
  }

  @Test(arguments: ["", "1:2", "a:b:c", "1:2:9", "1:2:0644:thing", "1:2:0644:char-1", "1:2:3:4:5"])
  func othersAreNoOverride(_ text: String) {
    #expect(OverrideStat(Array(text.utf8)) == nil)
  }

  @Test func devicesAreKept() throws {
    let value = OverrideStat(
      uid: 3, gid: 4, permissions: 0o66, type: .blockDevice,
      device: DeviceNumber(major: 8, minor: 17))
    #expect(String(decoding: value.text, as: UTF8.self) == "3:4:0066:block-8-17")
    #expect(OverrideStat(value.text) == value)
  }
}

@Suite struct PrivateXattrsTests {
  @Test(
    arguments: [
      ("user.k", "user.k"), ("trusted.overlay.opaque", "trusted.overlay.overlay.opaque"),
      ("user.overlay.overlay.x", "user.overlay.overlay.overlay.x"),
      ("security.capability", "security.capability"), ("user.overlayx", "user.overlayx"),
      ("trusted.strata.literal", "trusted.strata.strata.literal"),
    ] as [(RawPath, RawPath)])
  func namesOfUsersAreKeptApart(_ given: RawPath, _ stored: RawPath) {
    #expect(PrivateXattrs.stored(given) == stored)
    #expect(PrivateXattrs.shown(stored) == given)
  }

  @Test(
    arguments: ["trusted.overlay.opaque", "user.overlay.redirect", "trusted.strata.literal"]
      as [RawPath])
  func marksAreHidden(_ name: RawPath) {
    #expect(PrivateXattrs.shown(name) == nil)
  }

  @Test(arguments: ["user.fuseoverlayfs.origin", "security.fuseoverlayfs.x"] as [RawPath])
  func namesOfTheProgramsCannotBeSet(_ name: RawPath) {
    #expect(PrivateXattrs.stored(name) == nil)
    #expect(PrivateXattrs.shown(name) == nil)
  }
}

@Suite struct InodeNumbersTests {
  @Test func numbersOfSeveralFileSystemsDiffer() {
    var numbers = InodeNumbers()
    let (one, two) = (DeviceNumber(major: 1, minor: 0), DeviceNumber(major: 2, minor: 0))
    #expect(numbers.number(5, on: one) == 5)
    #expect(numbers.number(5, on: two) == 5 | 1 << 56)
    #expect(numbers.number(5, on: one) == 5)
  }

  @Test func numbersThatUseTheHighBitsAreReplaced() {
    var numbers = InodeNumbers()
    let device = DeviceNumber(major: 1, minor: 0)
    let first = numbers.number(1 << 60, on: device)
    #expect(first >= 1 << 63)
    #expect(numbers.number(1 << 60, on: device) == first)
    #expect(numbers.number(1 << 60 | 1, on: device) != first)
  }
}
