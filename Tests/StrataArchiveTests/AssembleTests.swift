import StrataArchive
import StrataSystem
import StrataTestSupport
import Testing

@Suite struct AssembleTests {
  private func tree() throws -> AppliedTree {
    try AppliedTree(
      try TarMaker().file("a", String(repeating: "a", count: 3_000_000)).file("d/b").bytes())
  }

  private func mismatch(_ tree: AppliedTree) -> String? {
    do {
      _ = try tree.assembled()
      return nil
    } catch { return (error as? StreamError)?.message }
  }

  @Test func refusesAChangedFile() throws {
    let tree = try tree()
    try tree.scratch.write("diff/d/b", "jello\n")
    #expect(mismatch(tree) == "file integrity checksum failed for \"d/b\"")
    try tree.scratch.write("diff/d/b", "hello\n")
    #expect(mismatch(tree) == nil)
    try tree.scratch.write("diff/d/b", "hello\nmore")
    #expect(mismatch(tree) == "file integrity checksum failed for \"d/b\"")
    try tree.scratch.write("diff/d/b", "hello\n")
    try tree.scratch.write("diff/a", String(repeating: "a", count: 2_999_999) + "b")
    #expect(mismatch(tree) == "file integrity checksum failed for \"a\"")
  }

  @Test(.timeLimit(.minutes(1))) func doesNotHangOnAFIFO() throws {
    let tree = try tree()
    try tree.scratch.directory.unlink("diff/d/b")
    try tree.scratch.directory.makeNode("diff/d/b", mode: 0o010644)
    #expect(mismatch(tree) == "file integrity checksum failed for \"d/b\"")
  }

  @Test func doesNotFollowALinkOutside() throws {
    let tree = try tree()
    try tree.scratch.write("outside/b", "hello\n")
    try tree.scratch.directory.removeTree("diff/d")
    try tree.scratch.directory.makeSymlink("diff/d", to: "../outside")
    #expect(mismatch(tree)?.contains("d/b") == true)
  }

  @Test func takesMissingFilesFromLowers() throws {
    let tree = try tree()
    let tar = try tree.assembled()
    try tree.scratch.makeDirectory("lower/d")
    try tree.scratch.directory.rename("diff/d/b", to: tree.scratch.directory, "lower/d/b")
    #expect(mismatch(tree) == "open d/b: no such file or directory")
    #expect(try tree.assembled(lowers: ["lower"]) == tar)
  }

  @Test func refusesADamagedTarSplit() throws {
    let sink = ArraySink()
    #expect(throws: StreamError.self) {
      try assembleLayer(
        tarSplit: ArraySource(Array("{\"type\":1,\"name\":\"x\",\"size\":5}\n".utf8)), files: [],
        to: sink)
    }
    for line in ["{", "[]", "{\"type\":\"x\"}", "{\"type\":2,\"payload\":\"A\"}", "{\"type\":9}"] {
      #expect(throws: StreamError.self) {
        try assembleLayer(tarSplit: ArraySource(Array(line.utf8)), files: [], to: sink)
      }
    }
  }

  /// Forms that other packers write: escapes, unknown members, spaces, empty payloads, raw names.
  @Test func readsOtherSpellings() throws {
    let scratch = try ScratchDirectory("split")
    try scratch.write("a<é\u{1f600}", "x\n")
    let lines = """
      { "position" : 0, "payload":"aGk=","type":2 , "extra":true}
      {"type":2,"payload":""}
      {"type":1,"name":"./a\\u003c\\u00e9\\ud83d\\ude00","size":2,"payload":"YVMQAAAAAAA="}
      {"type":1,"name_raw":"/w==","payload":null}
      """
    let sink = ArraySink()
    try assembleLayer(
      tarSplit: ArraySource(Array(lines.utf8)), files: [scratch.directory], to: sink)
    #expect(sink.bytes == Array("hix\n".utf8))
  }
}
