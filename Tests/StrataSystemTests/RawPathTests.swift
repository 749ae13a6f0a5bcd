import StrataSystem
import Testing

@Suite struct RawPathTests {
  /// As Go's path.Clean has them.
  @Test(arguments: [
    ("", "."), ("a/b", "a/b"), ("a//b/", "a/b"), ("./a", "a"), ("a/../b", "b"), ("../a", "../a"),
    ("a/../../b", "../b"), ("/../a", "/a"), ("/", "/"), ("/./", "/"), ("a/..", "."),
    ("../..", "../.."),
  ])
  func cleans(_ path: String, _ expected: String) {
    #expect(RawPath(path).cleaned == RawPath(expected))
  }

  @Test(arguments: [
    ("/a/b", "/a"), ("/a", "/"), ("a", ""), ("a/b/", "a"), ("/", "/"), ("a//b", "a"),
  ])
  func parent(_ path: String, _ expected: String) {
    #expect(RawPath(path).parent == RawPath(expected))
  }

  @Test func endsAtTheFirstNUL() {
    #expect(RawPath([0x61, 0, 0x62]) == "a")
  }

  @Test func keepsBytesThatAreNotUTF8() {
    let path = RawPath([0x61, 0xff])
    #expect(path.string == nil)
    #expect(Array(path.bytes) == [0x61, 0xff])
    #expect(RawPath("x").appending(path).count == 4)
  }
}
