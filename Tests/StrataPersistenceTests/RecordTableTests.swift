import StrataModel
import StrataPersistence
import StrataSystem
import StrataTestSupport
import Testing

private typealias Layers = RecordTable<LayerRecord>

@Suite struct RecordTableTests {
  private let scratch: ScratchDirectory
  private let files: [RecordFile]

  init() throws {
    scratch = try ScratchDirectory("table")
    files = [
      RecordFile(path: scratch.path("layers.json")),
      RecordFile(path: scratch.path("volatile-layers.json"), synchronizes: false),
    ]
  }

  private func record(_ id: String, _ more: String = "") -> String {
    ##"{"id":"\##(id)",\##(more)"created":"2026-01-02T03:04:05Z"}"##
  }

  @Test("Records that are not touched keep every byte, whatever their spelling")
  func splice() throws {
    let odd = ##"{ "created":"2026-01-02T03:04:05.10+01:00","ID":"b" , "new" : [ 1.0 ] }"##
    try scratch.write(
      "layers.json", "[\n" + record("a") + ", " + odd + " ,\t" + record("c") + "]")
    var table = try Layers.load(files: files)
    #expect(!table.isChanged)
    var layer = try #require(table["a"])
    layer.metadata = "a longer one than before"
    table.replace(layer)
    table.remove(id: "c")
    table.append(LayerRecord(id: "d", parent: "b", created: .zero), toFile: 0)
    try table.save()
    let saved =
      "[" + record("a", ##""metadata":"a longer one than before","##) + "," + odd
      + ##",{"id":"d","parent":"b","created":"0001-01-01T00:00:00Z"}]"##
    #expect(try scratch.text("layers.json") == saved)
    #expect(try scratch.tree() == ["layers.json"])
    // The places move with the text: the same table is changed and saved again.
    #expect(table.records.map(\.id) == ["a", "b", "d"])
    #expect(table["b"]?.created.description == "2026-01-02T03:04:05.10+01:00")
    table.remove(id: "a")
    try table.save()
    #expect(table["d"]?.parent == "b")
    #expect(try Layers.load(files: files).records == table.records)
    #expect(try scratch.text("layers.json").hasPrefix("[" + odd))
  }

  @Test("A record that is put back as it was changes nothing")
  func unchanged() throws {
    try scratch.write("layers.json", "[ " + record("a") + "]")
    var table = try Layers.load(files: files)
    table.replace(try #require(table["a"]))
    table.remove(id: "none")
    #expect(!table.isChanged)
    try table.save()
    #expect(try scratch.text("layers.json") == "[ " + record("a") + "]")
  }

  @Test("Each record stays in its file; a doubled id is the first one's")
  func twoFiles() throws {
    try scratch.write("layers.json", "[" + record("a") + "]")
    try scratch.write("volatile-layers.json", "[" + record("a") + "," + record("v") + "]")
    var table = try Layers.load(files: files)
    #expect(table.ids == ["a", "v"])
    #expect(table.fileNumber(of: "v") == 1)
    var layer = try #require(table["v"])
    layer.metadata = "m"
    table.replace(layer)
    let before = try scratch.read("layers.json")
    try table.save()
    #expect(try scratch.read("layers.json") == before)
    #expect(
      try scratch.text("volatile-layers.json")
        == "[" + record("v", ##""metadata":"m","##) + "]")
  }

  @Test("A name that two records have is taken from the earlier one and must be saved")
  func duplicateNames() throws {
    try scratch.write(
      "layers.json",
      "[" + record("a", ##""names":["x","y"],"##) + "," + record("b", ##""names":["x"],"##) + "]")
    let table = try Layers.load(files: files)
    #expect(table.duplicateNameCount == 1 && table.isChanged)
    #expect(table["a"]?.names == ["y"])
    #expect(table.named("x")?.id == "b")
  }

  @Test("By id, then name, then a prefix of one id")
  func find() throws {
    try scratch.write(
      "layers.json",
      "[" + record("abc1", ##""names":["abd"],"##) + "," + record("abc2", ##""names":["abc1"],"##)
        + "," + record("abd9") + "]")
    let table = try Layers.load(files: files)
    #expect(table.find("abc1")?.id == "abc1")
    #expect(table.find("abd")?.id == "abc1")
    #expect(table.find("abd9")?.id == "abd9")
    #expect(table.find("abc") == nil)
    #expect(table.find("") == nil)
    #expect(table.find("abc2")?.id == "abc2")
  }

  @Test("Names move from whoever has them")
  func assign() throws {
    try scratch.write(
      "layers.json",
      "[" + record("a", ##""names":["x","y"],"##) + "," + record("b") + "]")
    var table = try Layers.load(files: files)
    table.assign(["y", "z", "y"], to: "b")
    #expect(table["a"]?.names == ["x"])
    #expect(table["b"]?.names == ["y", "z"])
    #expect(table.named("y")?.id == "b" && table.named("x")?.id == "a")
  }

  @Test("What does not parse is refused with path and offset and left as it is")
  func damaged() throws {
    let text = "[" + record("a") + ",{\"id\":"
    try scratch.write("layers.json", text)
    #expect {
      _ = try Layers.load(files: files)
    } throws: {
      "\($0)"
        == "loading \"\(files[0].path)\": unexpected end of JSON input at byte offset "
        + "\(text.utf8.count)"
    }
    #expect(try scratch.text("layers.json") == text)
  }

  @Test("A file that was replaced, made or removed is noticed by its time")
  func stale() throws {
    let table = try Layers.load(files: files)
    #expect(try !table.isStale())
    try scratch.write("volatile-layers.json", "[]")
    #expect(try table.isStale())
    let again = try Layers.load(files: files)
    #expect(try !again.isStale())
    try scratch.directory.unlink("volatile-layers.json")
    #expect(try again.isStale())
  }

  @Test("One bad image refuses them all, in the peer's words")
  func badImage() throws {
    try scratch.write(
      "layers.json",
      ##"[{"id":"i","digest":"bogus","created":"2026-01-02T03:04:05Z"}]"##)
    #expect {
      _ = try RecordTable<ImageRecord>.load(files: files)
    } throws: {
      "\($0)".contains(
        ##"computing digests for image with ID "i" ([]): validating image digest "bogus": "##
          + "invalid checksum digest format")
    }
  }
}
