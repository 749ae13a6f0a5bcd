import StrataFUSE
import StrataOverlay
import StrataSystem
import Testing

@Suite struct NodeTableTests {
  @Test func namesAreFoundAndGo() throws {
    let table = NodeTable()
    var slots: [Slot] = []
    for number in 0..<5000 {
      slots.append(table.insert(RawPath("file\(number)"), in: .root, type: .regular))
    }
    for (number, slot) in slots.enumerated() {
      #expect(table.find(RawPath("file\(number)"), in: .root) == slot)
      #expect(table.name(of: slot) == RawPath("file\(number)"))
    }
    #expect(table.find("file0", in: slots[1]) == nil)
    #expect(table.count == 5001)
    for slot in slots {
      _ = table.unkey(slot)
      table.remove(slot)
    }
    #expect(table.count == 1)
    #expect(table.find("file17", in: .root) == nil)
  }

  @Test func idsOfRemovedNodesAreStaleForEver() throws {
    let table = NodeTable()
    var old: Set<NodeID> = []
    for _ in 0..<1000 {
      let slot = table.insert("again", in: .root, type: .regular)
      let id = table.id(of: slot)
      #expect(old.insert(id).inserted)
      #expect(try table.slot(of: id) == slot)
      _ = table.unkey(slot)
      table.remove(slot)
      #expect(throws: Errno.staleHandle) { try table.slot(of: id) }
    }
  }

  @Test(arguments: [0, 1, 5, 1 << 32, (1 << 32) + 2, UInt64.max] as [UInt64])
  func idsThatWereNeverGivenOutAreStale(_ number: UInt64) {
    let table = NodeTable()
    guard number != 1 else { return }
    #expect(throws: Errno.staleHandle) { try table.slot(of: NodeID(rawValue: number)) }
  }

  @Test func namesOfAllLengthsFitTheArena() {
    let table = NodeTable()
    for round in 0..<3 {
      var slots: [Slot] = []
      for length in 1...255 {
        let name = RawPath(Array(repeating: UInt8(97 + round), count: length))
        slots.append(table.insert(name, in: .root, type: .regular))
      }
      for (index, slot) in slots.enumerated() { #expect(table.name(of: slot).count == index + 1) }
      for slot in slots {
        _ = table.unkey(slot)
        table.remove(slot)
      }
    }
  }

  /// The bound on memory for each file that the kernel knows (overlay-design section 2).
  @Test func recordsStaySmall() {
    #expect(MemoryLayout<NodeRecord>.stride <= 64)
  }
}
