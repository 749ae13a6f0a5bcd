import StrataModel
import Testing

@Suite struct FlagsTests {
  @Test("A new flag goes to its place, a changed one loses its spelling, nil takes it away")
  func changes() {
    var flags = Flags(members: [
      Flags.Member(name: "a", value: .other(json: Array("1.50".utf8)), source: Array("1.50".utf8)),
      Flags.Member(name: "x", value: .string("é"), source: Array("\"\\u00e9\"".utf8)),
    ])
    flags["incomplete"] = .bool(true)
    #expect(flags.names == ["a", "incomplete", "x"])
    #expect(flags.isSet("incomplete") && !flags.isSet("x"))
    flags["x"] = .string("é")
    #expect(flags.members[2].source != nil)
    flags["x"] = .string("y")
    #expect(flags.members[2].source == nil)
    flags["incomplete"] = nil
    flags["none"] = nil
    #expect(flags.names == ["a", "x"])
  }
}

@Suite struct IdentifiersTests {
  @Test("An id whose first twelve digits are decimal is thrown away")
  func newID() {
    var calls = 0
    let id = Identifiers.newID { count in
      calls += 1
      return [UInt8](repeating: calls == 1 ? 0x12 : 0xAB, count: count)
    }
    #expect(calls == 2)
    #expect(id == String(repeating: "ab", count: 32))
    #expect(Identifiers.isWhole(id))
    #expect(!Identifiers.isWhole(id.uppercased()) && !Identifiers.isWhole(id + "0"))
  }

  @Test("Link names are base32 cut to 26")
  func newLink() {
    #expect(
      Identifiers.newLink { count in Array(0..<UInt8(count)) } == "AAAQEAYEAUDAOCAJBIFQYDIOB4")
  }

  @Test(
    "Ids that would lead elsewhere are refused",
    arguments: [
      ("good-layer", true), ("", false), (".", false), ("..", false), ("a/b", false), ("...", true),
    ])
  func usable(id: String, isUsable: Bool) {
    #expect(Identifiers.isUsable(id) == isUsable)
  }
}

@Suite struct StoreErrorTests {
  @Test func texts() {
    #expect("\(StoreError(.layerUnknown))" == "layer not known")
    let wrapped = StoreError(.imageUnknown).wrapped("locating image with ID \(quoted("a\"b"))")
    #expect("\(wrapped)" == ##"locating image with ID "a\"b": image not known"##)
    #expect(wrapped.code == .imageUnknown)
    #expect(quoted("a\nb\u{1}é") == ##""a\nb\x01é""##)
  }

  @Test("An image answers to its digest and to those of its manifests")
  func imageDigests() throws {
    let other = try Digest("sha256:" + String(repeating: "1", count: 64))
    var image = ImageRecord(id: "i", created: .zero)
    image.digest = .ofNothing
    image.bigDataNames = ["k", "manifest-a", "manifest"]
    image.bigDataDigests = ["k": other, "manifest-a": .ofNothing, "manifest": other]
    #expect(image.digests == [.ofNothing, other])
  }
}
