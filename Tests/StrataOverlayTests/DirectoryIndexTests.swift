import StrataOverlay
import StrataSystem
import Testing

@Suite struct DirectoryIndexTests {
  /// What each layer holds, topmost first: `d` directory, `f` file, `w` whiteout, `m` marker beside.
  struct MergeCase: Sendable, CustomTestStringConvertible {
    let layers: [String]
    /// Nil: the name is not visible.
    var type: FileType?
    var lowerDirectories: [UInt16] = []
    var hasLower = false

    var testDescription: String { layers.joined(separator: ",") }

    /// Layer 0 is the upper.
    static let all: [MergeCase] = [
      MergeCase(layers: ["f"], type: .regular),
      MergeCase(layers: ["", "f"], type: .regular, hasLower: true),
      MergeCase(layers: ["w", "f"], hasLower: true),
      MergeCase(layers: ["m", "f"], hasLower: true),
      MergeCase(layers: ["fm", "d"], type: .regular, lowerDirectories: [1], hasLower: true),
      MergeCase(
        layers: ["d", "d", "d"], type: .directory, lowerDirectories: [1, 2], hasLower: true),
      MergeCase(layers: ["d", "d", "f"], type: .directory, lowerDirectories: [1], hasLower: true),
      MergeCase(layers: ["d", "f", "d"], type: .directory, hasLower: true),
      MergeCase(
        layers: ["", "d", "w", "d"], type: .directory, lowerDirectories: [1], hasLower: true),
      MergeCase(layers: ["", "dm", "d"], type: .directory, lowerDirectories: [1], hasLower: true),
      MergeCase(layers: ["", "w", "d"]),
      MergeCase(layers: ["", "f", "d"], type: .regular, hasLower: true),
      MergeCase(layers: ["w", ""]),
    ]
  }

  @Test(arguments: MergeCase.all)
  func layersMerge(_ example: MergeCase) throws {
    var builder = DirectoryIndexBuilder(upper: 0, seed: 7)
    for (layer, content) in example.layers.enumerated() {
      for kind in content {
        switch kind {
        case "d": builder.add("n", type: .directory, inode: 1, layer: UInt16(layer))
        case "f": builder.add("n", type: .regular, inode: 2, layer: UInt16(layer))
        case "w": builder.addWhiteout("n", layer: UInt16(layer))
        default: builder.addMarker(for: "n", layer: UInt16(layer))
        }
      }
    }
    let index = builder.build()
    let entry = index.entry("n")
    #expect(entry?.isVisible ?? false == (example.type != nil))
    #expect(index.visibleCount == (example.type == nil ? 0 : 1))
    #expect(entry?.hasLower ?? false == example.hasLower)
    if let type = example.type { #expect(entry?.type == type) }
    if let entry { #expect(index.lowerDirectories(of: entry) == example.lowerDirectories) }
  }

  @Test func everyNameIsListedOnceWhileOthersComeAndGo() {
    var index = DirectoryIndex.empty(seed: 99)
    for number in 0..<3000 {
      index.update(RawPath("name\(number)")) {
        $0.flags = .upper
        $0.type = .regular
      }
    }
    #expect(index.visibleCount == 3000)
    var seen: Set<RawPath> = []
    var cookie: UInt64 = 2
    var turn = 0
    while true {
      index.mergeTail()
      guard let entry = index.next(after: cookie) else { break }
      #expect(entry.cookie > cookie)
      cookie = entry.cookie
      let name = index.name(of: entry)
      if !name.hasPrefix("new") { #expect(seen.insert(name).inserted) }
      // What was listed goes, and something new comes.
      index.remove(name)
      index.update(RawPath("new\(turn)")) { $0.flags = .upper }
      turn += 1
      if turn > 10_000 { break }
    }
    #expect(seen.count == 3000)
  }

  @Test func cookiesAreTheSameInAnIndexMadeAgain() {
    var first = DirectoryIndex.empty(seed: 5)
    for name: RawPath in ["a", "b", "c"] { first.update(name) { $0.flags = .upper } }
    var second = DirectoryIndexBuilder(upper: 0, seed: 5)
    for name: RawPath in ["c", "a", "b"] { second.add(name, type: .regular, inode: 1, layer: 0) }
    let again = second.build()
    for name: RawPath in ["a", "b", "c"] {
      #expect(first.entry(name)?.cookie == again.entry(name)?.cookie)
    }
  }

  @Test func removedNamesCanComeBack() {
    var index = DirectoryIndex.empty(seed: 1)
    for _ in 0..<5 {
      index.update("x") { $0.flags = .upper }
      #expect(index.entry("x")?.isVisible == true)
      index.remove("x")
      #expect(index.entry("x") == nil)
      #expect(index.visibleCount == 0)
    }
  }
}
