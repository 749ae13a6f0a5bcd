import StrataModel
import Testing

@Suite struct IDMapTests {
  private let mappings = IDMappings(
    uids: [
      IDMap(containerID: 0, hostID: 1000, size: 1),
      IDMap(containerID: 1, hostID: 100_000, size: 65_535),
    ],
    gids: [IDMap(containerID: 0, hostID: 200_000, size: 65_536)])

  @Test func mapsBothWays() throws {
    let host = try #require(mappings.toHost(uid: 5, gid: 7))
    #expect(host == (100_004, 200_007))
    let inside = try #require(mappings.toContainer(uid: host.uid, gid: host.gid))
    #expect(inside == (5, 7))
  }

  @Test func unmappedIsNil() {
    #expect(mappings.toHost(uid: 70_000, gid: 0) == nil)
    #expect(mappings.toContainer(uid: 0, gid: 200_000) == nil)
  }

  @Test func emptyIsIdentity() throws {
    let same = try #require(IDMappings().toHost(uid: 4_000_000_000, gid: 3))
    #expect(same == (4_000_000_000, 3))
  }

  @Test func aRunThatOverflowsMapsNothing() {
    let broken = IDMappings(uids: [IDMap(containerID: 0, hostID: UInt32.max, size: 10)])
    #expect(broken.toHost(uid: 5, gid: 0) == nil)
  }
}
