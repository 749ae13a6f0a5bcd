import StrataCommands
import StrataModel
import StrataSystem
import Testing

@Suite struct TextShapeTests {
  @Test(
    arguments: [
      (0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (1234, "1.23 kB"), (99_950, "100 kB"),
      (9_994, "9.99 kB"), (9_996, "10.0 kB"), (312_000_000, "312 MB"), (999_600, "1.00 MB"),
      (1_240_000_000, "1.24 GB"), (-1, "?"),
    ] as [(Int64, String)])
  func sizesHaveThreeDigits(bytes: Int64, text: String) {
    #expect(humanSize(bytes) == text)
  }

  @Test(
    arguments: [
      (1000, "just now"), (999, "1 second ago"), (940, "1 minute ago"), (-9, "long ago"),
      (1001, "in the future"),
    ] as [(Int64, String)])
  func agesAreWords(time: Int64, text: String) {
    #expect(humanAge(of: time, now: 1000) == text)
  }

  @Test func agesGrow() {
    let now: Int64 = 2_000_000_000
    #expect(humanAge(of: now - 7200, now: now) == "2 hours ago")
    #expect(humanAge(of: now - 8 * 86400, now: now) == "1 week ago")
    #expect(humanAge(of: now - 800 * 86400, now: now) == "2 years ago")
  }

  @Test func columnsAreAligned() {
    var table = Table(["NAME", "SIZE", "AGE"], [.left, .right])
    table.add(["a", "1 B", "now"])
    table.add(["longer", "100 MB", ""])
    table.add(["\u{1b}[1m\n", "", ""])
    #expect(
      table.text == """
        NAME         SIZE  AGE
        a             1 B  now
        longer     100 MB
        \\x1b[1m\\n

        """)
  }

  @Test func barsFitTheLine() {
    #expect(
      progressLine("abc", bytes: 50, of: 100, columns: 40)
        == "abc  [######.......] 50%  50 B of 100 B")
    #expect(progressLine("abc", bytes: 200, of: 100, columns: 10).hasSuffix("100%  200 B of 100 B"))
  }

  private static let time = Timestamp(seconds: 1, nanoseconds: 0)

  private func layer(_ id: String, _ parent: String? = nil, names: [String] = []) -> LayerRecord {
    var layer = LayerRecord(id: id, parent: parent, created: Self.time)
    layer.names = names
    return layer
  }

  private var users: LayerUsers {
    var image = ImageRecord(id: "IMAGE", layer: "A", created: Self.time)
    image.names = ["im"]
    var container = ContainerRecord(id: "CTR", image: "IMAGE", layer: "C", created: Self.time)
    container.names = ["ct"]
    return LayerUsers(images: [image], containers: [container])
  }

  /// Measured with 1.43: `containers-storage layers`.
  @Test func layersAreListedAsThePeerDoes() {
    let text = layerList([layer("A", names: ["a", "b"]), layer("B", "A"), layer("C", "A")], users)
    #expect(
      text == "A\n\tname: a\n\tname: b\n\timage: IMAGE\n\t\tname: im\nB\nC\n\tcontainer: CTR\n"
        + "\t\tname: ct\n")
  }

  /// Measured with 1.43: `containers-storage layers --tree`.
  @Test func treesAreDrawnAsThePeerDoes() {
    let text = layerTree(
      [layer("A", names: ["a", "b"]), layer("B", "A", names: ["c"]), layer("C", "A")], users,
      ["C": "/m"])
    #expect(
      text == """
        (base)
        └─A
          name: a
          name: b
          image: IMAGE
          image name: im
          ├─B
          │ name: c
          └─C
            mount: /m
            container: CTR
            container name: ct

        """)
    #expect(layerTree([], users) == "")
  }

  @Test func deepTreesAreDrawn() {
    let chain = (0..<300).map { layer("L\($0)", $0 == 0 ? nil : "L\($0 - 1)") }
    #expect(layerTree(chain, users).split(separator: "\n").count == 301)
  }

  @Test func timesOfTheLogAreThePeers() {
    let line = LogLine.text(
      .warning, "a \"b\"", now: .init(seconds: 1_795_537_118, nanoseconds: 5))
    #expect(line == "time=\"2026-11-24T16:18:38Z\" level=warning msg=\"a \\\"b\\\"\"")
  }
}
