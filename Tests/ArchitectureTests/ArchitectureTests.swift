import StrataSystem
import StrataTestSupport
import Testing

@Suite("The targets use what the architecture lets them")
struct LayeringTests {
  @Test("the manifest is read, and names every target of the table")
  func manifestIsRead() throws {
    let targets = try manifestTargets().filter { !$0.isTest }
    #expect(Set(targets.map(\.name)) == Set(allowedArrows.keys))
    // An arrow that is known to be there: the reading itself works.
    let digest = try #require(targets.first { $0.name == "StrataDigest" })
    #expect(digest.dependencies == ["StrataSystem", "StrataModel", "Crypto"])
  }

  @Test("no arrow outside the table", arguments: try manifestTargets().filter { !$0.isTest })
  func arrows(target: ManifestTarget) throws {
    let allowed = try #require(allowedArrows[target.name], "\(target) is not in the table")
    #expect(target.dependencies.subtracting(allowed) == [])
  }

  @Test("no target is used by an inner one")
  func noCycle() {
    var done: Set<String> = [
      "Crypto", "TOMLKit", "ArgumentParser", "AsyncHTTPClient", "NIOCore", "NIOHTTP1", "NIOPosix",
      "NIOSSL",
    ]
    var left = allowedArrows
    while let next = left.first(where: { done.isSuperset(of: $0.value) }) {
      done.insert(next.key)
      left[next.key] = nil
    }
    #expect(left.isEmpty)
  }

  @Test("sources import what their target declares", arguments: try sourceFiles(in: "Sources"))
  func imports(file: SourceFile) throws {
    let target = try #require(try manifestTargets().first { $0.name == file.target })
    let strangers = Set(file.imports).subtracting(target.dependencies)
      .subtracting(toolchainModules).subtracting(["PackageDescription"])
    #expect(strangers == [], "\(file) imports what its target does not declare")
  }

  @Test("nothing under the mount program reaches hashes, JSON or the store")
  func mountProgramStaysSmall() throws {
    let targets = Dictionary(
      uniqueKeysWithValues: try manifestTargets().map { ($0.name, $0.dependencies) })
    var reached: Set<String> = []
    var next: Set<String> = ["strata-overlay"]
    while let name = next.popFirst() {
      reached.insert(name)
      next.formUnion((targets[name] ?? []).subtracting(reached))
    }
    #expect(
      reached == [
        "strata-overlay", "StrataOverlay", "StrataFUSE", "StrataSystem", "CStrata", "CFUSE3",
      ])
  }

  @Test("the network reaches strata-lazy alone")
  func networkStaysOut() throws {
    let targets = Dictionary(
      uniqueKeysWithValues: try manifestTargets().map { ($0.name, $0.dependencies) })
    func reached(from name: String) -> Set<String> {
      var reached: Set<String> = []
      var next: Set<String> = [name]
      while let name = next.popFirst() {
        reached.insert(name)
        next.formUnion((targets[name] ?? []).subtracting(reached))
      }
      return reached
    }
    #expect(reached(from: "strata-lazy").contains("AsyncHTTPClient"))
    for name in ["strata", "strata-overlay"] {
      #expect(
        reached(from: name).isDisjoint(with: ["StrataRegistry", "AsyncHTTPClient", "NIOCore"]))
    }
  }

  @Test("docs/architecture.md names every target")
  func documented() throws {
    let text = try documentText("docs/architecture.md")
    for name in allowedArrows.keys {
      #expect(text.contains("`\(name)`"), "docs/architecture.md does not name \(name)")
    }
  }
}

@Suite("The sources keep the rules of the house")
struct SourceRuleTests {
  /// Where `unsafe` may stand: what calls C or hands it memory, and the overlay's table of nodes.
  static let fence: Set<String> = [
    "StrataSystem", "StrataFUSE", "StrataCompression", "StrataDigest",
  ]

  static func isFenced(_ file: SourceFile) -> Bool {
    fence.contains(file.target) || file.path == "Sources/StrataOverlay/NodeTable.swift"
  }

  @Test("unsafe code stays inside the fence", arguments: try sourceFiles(in: "Sources"))
  func unsafeFence(file: SourceFile) {
    guard !Self.isFenced(file) else { return }
    let words: Set<String> = [
      "unsafe", "unchecked", "UnsafePointer", "UnsafeMutablePointer", "UnsafeRawPointer",
      "UnsafeMutableRawPointer", "UnsafeRawBufferPointer", "UnsafeMutableRawBufferPointer",
      "unsafeBitCast", "unowned",
    ]
    #expect(file.lines(with: words) == [], "\(file) uses unsafe code outside the fence")
  }

  @Test("nothing traps on data from outside", arguments: try sourceFiles(in: "Sources"))
  func traps(file: SourceFile) {
    #expect(file.lines(with: ["try!", "as!", "fatalError"]) == [], "\(file) may trap")
  }

  @Test("no Foundation", arguments: try sourceFiles(in: "Sources") + sourceFiles(in: "Tests"))
  func foundation(file: SourceFile) {
    #expect(!file.imports.contains { $0.hasPrefix("Foundation") }, "\(file) imports Foundation")
  }

  @Test(
    "files are short enough to read",
    arguments: try sourceFiles(in: "Sources") + sourceFiles(in: "Tests"))
  func length(file: SourceFile) {
    #expect(file.lines.count <= 500, "\(file) has \(file.lines.count) lines: split it by duty")
  }

  @Test(
    "nothing is left open",
    arguments: try sourceFiles(in: "Sources") + sourceFiles(in: "Tests"))
  func leftOpen(file: SourceFile) {
    // Spelled apart, so that this file passes its own test.
    let marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X:", "Place" + "holder"]
    let found = file.lines.enumerated().filter { line in
      marks.contains { line.element.contains($0) }
    }
    #expect(found.map { $0.offset + 1 } == [], "\(file) leaves something open")
  }

  @Test("the reading of sources knows code from comments and texts")
  func reading() {
    let file = SourceFile(
      path: "Sources/X/Y.swift",
      text: """
        package import StrataModel  // import Hidden
        let a = "unsafe" // unsafe
        let b = unsafe c
        let d = try! e
        """)
    #expect(file.imports == ["StrataModel"])
    #expect(file.lines(with: ["unsafe"]) == [3])
    #expect(file.lines(with: ["try!"]) == [4])
    #expect(file.target == "X")
  }
}

/// The text of a file of the package.
func documentText(_ path: RawPath) throws -> String {
  let bytes = try FileDescriptor.workingDirectory.contents(of: packageFolder().appending(path))
  return String(decoding: bytes, as: UTF8.self)
}
