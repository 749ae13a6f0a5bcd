import StrataSystem
import StrataTestSupport
import Testing

/// The two programs that must mean the same by one graph root.
enum Program: String, CaseIterable, CustomTestStringConvertible, Sendable {
  case strata
  case containersStorage = "containers-storage"

  var testDescription: String { rawValue }

  /// The one that did not do it.
  var other: Program { self == .strata ? .containersStorage : .strata }
}

/// One graph root, and either program in it.
struct TwoPrograms {
  let store: StoreFixture
  private let ours: RawPath
  private let overlay: RawPath

  init() throws {
    store = try StoreFixture("interop")
    ours = try #require(builtProgram("strata"))
    overlay = try #require(builtProgram("strata-overlay"))
  }

  /// Runs a verb that must succeed, and returns what it printed.
  @discardableResult
  func run(_ program: Program, _ words: [String], input: [UInt8] = []) throws -> ProgramResult {
    let options = store.storageArguments + ["--storage-opt", "overlay.mount_program=\(overlay)"]
    let path = program == .strata ? ours.description : program.rawValue
    let result = try runProgram(path, options + words, input: input)
    try #require(result.status == 0, "\(program.rawValue) \(words): \(result)")
    return result
  }

  /// As above; returns the first line, which is the id that a verb which creates prints.
  @discardableResult
  func create(_ program: Program, _ words: [String], input: [UInt8] = []) throws -> String {
    try #require(try run(program, words, input: input).lines.first)
  }

  /// A small layer tar, made by GNU tar.
  func layerTar(_ name: RawPath, _ text: String) throws -> [UInt8] {
    let folder = RawPath("content").appending(name)
    try store.scratch.write(folder.appending("etc/hostname"), text)
    try store.scratch.write(folder.appending("usr/share/with space"), "x")
    let result = try runProgram(
      "tar", ["c", "-C", store.scratch.path(folder).description, "etc", "usr"])
    try #require(result.status == 0)
    return result.stdout
  }
}
