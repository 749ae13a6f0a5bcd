import StrataSystem
import StrataTestSupport

/// Which targets a target may use: the table of `docs/architecture.md`, section 2.
///
/// An arrow that is missing here is missing there: add it to both, with the reason, or do without.
let allowedArrows: [String: Set<String>] = [
  "CStrata": [], "CFUSE3": [], "CZlib": [], "CISAL": [], "CZstd": [], "CLZMA": [], "CBZip2": [],
  "StrataSystem": ["CStrata"],
  "StrataModel": [],
  "StrataJSON": ["StrataModel"],
  "StrataDigest": ["StrataSystem", "StrataModel", "Crypto"],
  "StrataCompression": [
    "StrataSystem", "StrataModel", "CZlib", "CISAL", "CZstd", "CLZMA", "CBZip2",
  ],
  "StrataArchive": [
    "StrataSystem", "StrataModel", "StrataJSON", "StrataDigest", "StrataCompression",
  ],
  "StrataPersistence": ["StrataSystem", "StrataModel", "StrataJSON"],
  "StrataFUSE": ["StrataSystem", "CStrata", "CFUSE3"],
  "StrataOverlay": ["StrataFUSE", "StrataSystem"],
  "StrataLazy": storeRing.union(["StrataFUSE", "StrataConfig"]),
  "StrataDrivers": ["StrataArchive", "StrataPersistence", "StrataSystem", "StrataModel"],
  "StrataStore": storeRing.union(["StrataDrivers"]),
  "StrataImage": storeRing.subtracting(["StrataPersistence"]).union(["StrataStore"]),
  "StrataConfig": ["StrataModel", "StrataSystem", "StrataJSON", "TOMLKit"],
  "StrataSetup": ["StrataConfig", "StrataStore", "StrataModel", "StrataSystem"],
  "StrataCommands": storeRing.union([
    "StrataSetup", "StrataDrivers", "StrataStore", "StrataImage", "StrataConfig", "ArgumentParser",
  ]),
  "StrataDistribution": ["StrataJSON", "StrataModel"],
  "StrataRegistry": [
    "StrataConfig", "StrataDistribution", "StrataDigest", "StrataModel", "StrataSystem",
    "AsyncHTTPClient", "NIOCore", "NIOHTTP1", "NIOPosix", "NIOSSL",
  ],
  "StrataTransfer": [
    "StrataRegistry", "StrataLazy", "StrataDistribution", "StrataCommands", "StrataImage",
    "StrataStore",
    "StrataConfig", "StrataDigest", "StrataJSON", "StrataModel", "StrataSystem",
  ],
  "strata-lazy": ["StrataTransfer", "StrataCommands", "StrataSystem"],
  "strata": ["StrataCommands"],
  "strata-overlay": ["StrataOverlay", "StrataFUSE", "StrataSystem"],
  "StrataTestSupport": ["StrataSystem", "StrataModel"],
  // An example: what a program of others needs.
  "FourSteps": ["StrataSetup", "StrataImage", "StrataStore", "StrataModel"],
  // A program of the tests: what must happen in a process of its own.
  "RecordTurns": [
    "StrataStore", "StrataPersistence", "StrataJSON", "StrataModel", "StrataSystem",
  ],
  // The readers of what comes from outside, for libFuzzer.
  "FuzzReaders": [
    "StrataLazy", "StrataArchive", "StrataCompression", "StrataDigest", "StrataJSON", "StrataModel",
    "StrataSystem",
  ],
]

/// What the rings from the store outwards may use of those inside.
private let storeRing: Set<String> = [
  "StrataArchive", "StrataPersistence", "StrataCompression", "StrataDigest", "StrataJSON",
  "StrataModel", "StrataSystem",
]

/// Modules of the toolchain that any target may import.
let toolchainModules: Set<String> = ["Glibc", "Synchronization", "Testing"]

/// A target as the manifest declares it.
struct ManifestTarget: CustomStringConvertible, Sendable {
  let name: String
  let dependencies: Set<String>
  let isTest: Bool

  var description: String { name }
}

/// The targets of Package.swift, read as text: `swift package dump-package` would wait for the lock
/// that the running `swift test` may hold.
func manifestTargets() throws -> [ManifestTarget] {
  let bytes = try FileDescriptor.workingDirectory.contents(
    of: packageFolder().appending("Package.swift"))
  let text = String(decoding: bytes, as: UTF8.self)
  guard let start = text.firstRange(of: "  targets: [\n    //")?.upperBound else { return [] }
  return declarations(in: text[start...]).compactMap { declaration in
    guard let name = texts(in: declaration).first else { return nil }
    return ManifestTarget(
      name: name, dependencies: dependencies(in: declaration),
      isTest: declaration.hasPrefix("tests(") || declaration.hasPrefix(".testTarget("))
  }
}

/// The calls that declare targets, from the word to its closing parenthesis.
private func declarations(in text: Substring) -> [Substring] {
  let words = [
    "library(", "tests(", ".target(", ".systemLibrary(", ".executableTarget(", ".testTarget(",
  ]
  var result: [Substring] = []
  var rest = text
  while let next = words.compactMap({ rest.firstRange(of: $0) }).min(by: {
    $0.lowerBound < $1.lowerBound
  }) {
    var depth = 0
    var end = next.lowerBound
    while end < rest.endIndex {
      if rest[end] == "(" { depth += 1 }
      if rest[end] == ")" { depth -= 1 }
      end = rest.index(after: end)
      if depth == 0, end > next.upperBound { break }
    }
    result.append(rest[next.lowerBound..<end])
    rest = rest[end...]
  }
  return result
}

/// The first list of a declaration: its dependencies, products by their module's name.
private func dependencies(in declaration: Substring) -> Set<String> {
  guard !declaration.hasPrefix(".systemLibrary"), let open = declaration.firstIndex(of: "["),
    let close = declaration[open...].firstIndex(of: "]")
  else { return [] }
  let list = declaration[open...close]
  var names = Set(texts(in: list))
  if list.contains(", crypto") || list.contains("[crypto") { names.insert("Crypto") }
  let products = [
    "argumentParser": "ArgumentParser", "httpClient": "AsyncHTTPClient", "nioCore": "NIOCore",
    "nioHTTP": "NIOHTTP1", "nioPosix": "NIOPosix", "nioSSL": "NIOSSL",
  ]
  for (word, module) in products where list.contains(word) { names.insert(module) }
  return names
}

private func texts(in source: Substring) -> [String] {
  source.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
    .compactMap { $0.offset % 2 == 1 ? String($0.element) : nil }
}
