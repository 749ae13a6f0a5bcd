import StrataModel
import StrataStore
import Testing

@Suite("User namespaces that are chosen")
struct AutoUserNamespaceTests {
  private let wish = AutoUserNamespace(
    uids: [.init(start: 100_000, count: 3000), .init(start: 500_000, count: 2000)],
    gids: [.init(start: 200_000, count: 5000)])

  @Test("The lowest free ids, over several ranges and around others")
  func lowest() throws {
    let first = try wish.mappings(size: 1024, besides: [])
    #expect(first.uids == [IDMap(containerID: 0, hostID: 100_000, size: 1024)])
    #expect(first.gids == [IDMap(containerID: 0, hostID: 200_000, size: 1024)])
    let second = try wish.mappings(size: 3000, besides: [first])
    #expect(
      second.uids == [
        IDMap(containerID: 0, hostID: 101_024, size: 1976),
        IDMap(containerID: 1976, hostID: 500_000, size: 1024),
      ])
    #expect(second.gids == [IDMap(containerID: 0, hostID: 201_024, size: 3000)])
    // A hole before one that lies in the middle.
    let middle = IDMappings(uids: [IDMap(containerID: 0, hostID: 100_500, size: 500)], gids: [])
    #expect(
      try wish.mappings(size: 1000, besides: [middle]).uids == [
        IDMap(containerID: 0, hostID: 100_000, size: 500),
        IDMap(containerID: 500, hostID: 101_000, size: 500),
      ])
  }

  @Test("Those that are out are an error, and so is an image that needs too many")
  func limits() throws {
    #expect(throws: StoreError.self) { try wish.mappings(size: 5001, besides: []) }
    #expect(try wish.mappings(size: 5000, besides: []).uids.count == 2)
    #expect(try wish.size(for: 0) == 1024)
    #expect(try wish.size(for: 2001) == 2001)
    let error = #expect(throws: StoreError.self) { try wish.size(for: 65537) }
    #expect(error?.message.contains("65537") == true && error?.code == .noAvailableIDs)
  }

  @Test("Ids at the end of the numbers do not overflow")
  func ends() throws {
    let high = AutoUserNamespace(
      uids: [.init(start: .max - 9, count: 10)], gids: [.init(start: .max - 9, count: 10)])
    let used = IDMappings(uids: [IDMap(containerID: 0, hostID: .max, size: 1)], gids: [])
    #expect(
      try high.mappings(size: 9, besides: [used]).uids == [
        IDMap(containerID: 0, hostID: .max - 9, size: 9)
      ])
  }
}
