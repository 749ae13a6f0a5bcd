import StrataModel
import Testing

@Suite struct DigestTests {
  @Test func readsItsOwnSpelling() throws {
    let digest = Digest.ofNothing
    #expect(try Digest(digest.description) == digest)
    #expect(
      digest.description
        == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  }

  @Test(arguments: [
    ("bogus", Digest.ParseError.format),
    (":", .format),
    ("sha256:", .format),
    ("md5:d41d8cd98f00b204e9800998ecf8427e", .unsupportedAlgorithm),
    ("sha256:abcd", .length),
    ("sha256:" + String(repeating: "A", count: 64), .format),
    ("sha512:" + String(repeating: "a", count: 64), .length),
  ])
  func refuses(_ text: String, _ expected: Digest.ParseError) {
    #expect(throws: expected) { try Digest(text) }
  }
}
