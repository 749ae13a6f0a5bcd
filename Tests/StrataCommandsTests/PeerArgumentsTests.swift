import StrataCommands
import Testing

/// One command line and what it must be taken for.
struct ArgumentCase: Sendable, CustomTestStringConvertible {
  var words: [String]
  var values: [String: [String]] = [:]
  var positionals: [String] = []
  var failure: String?

  var testDescription: String { words.joined(separator: " ") }
}

private let flags: [PeerFlag] =
  [
    .list("--name", "-n", help: ""), .text("--id", "-i", help: ""),
    .switched("--tree", "-t", help: ""), .json,
  ] + PeerFlag.global(for: .peer)

@Suite struct PeerArgumentsTests {
  /// The conventions of storage-format 8.1, measured with 1.43.
  static let peer: [ArgumentCase] = [
    ArgumentCase(words: ["--name", "a", "b"], values: ["name": ["a"]], positionals: ["b"]),
    ArgumentCase(words: ["--name=a", "-n", "b", "-n=c"], values: ["name": ["a", "b", "c"]]),
    ArgumentCase(words: ["-i", "x", "--id=y"], values: ["id": ["y"]]),
    ArgumentCase(words: ["-tj"], values: ["tree": ["true"], "json": ["true"]]),
    ArgumentCase(words: ["--json=false"], values: ["json": ["false"]]),
    ArgumentCase(words: ["-j", "--json=0"], values: ["json": ["false"]]),
    ArgumentCase(words: ["base", "-j"], positionals: ["base", "-j"]),
    ArgumentCase(words: ["--", "-j"], positionals: ["-j"]),
    ArgumentCase(words: ["-"], positionals: ["-"]),
    ArgumentCase(words: ["-g", "/g", "x"], values: ["graph": ["/g"]], positionals: ["x"]),
    ArgumentCase(words: ["--name", "-j"], values: ["name": ["-j"]]),
    ArgumentCase(words: ["--name="], values: ["name": [""]]),
    ArgumentCase(words: ["-nfoo"], failure: "flag provided but not defined: -nfoo"),
    ArgumentCase(words: ["--nosuch"], failure: "flag provided but not defined: --nosuch"),
    ArgumentCase(words: ["--nosuch=1"], failure: "flag provided but not defined: --nosuch"),
    ArgumentCase(words: ["-i"], failure: "flag needs an argument: -i"),
    ArgumentCase(
      words: ["--json=maybe"],
      failure: "invalid boolean value \"maybe\" for  --json: strconv.ParseBool: "
        + "parsing \"maybe\": invalid syntax"),
  ]

  @Test(arguments: peer) func wordsAreTakenApartAsThePeerDoes(example: ArgumentCase) throws {
    do throws(PeerArguments.Failure) {
      let result = try PeerArguments(example.words, flags: flags, rule: .firstPositional)
      #expect(example.failure == nil)
      #expect(result.values == example.values)
      #expect(result.positionals == example.positionals)
    } catch {
      #expect(error.description == example.failure)
    }
  }

  @Test func strataTakesOptionsAnywhere() throws {
    let result = try PeerArguments(
      ["base", "-j", "two", "--", "-t"], flags: flags, rule: .intermixed)
    #expect(result.isOn("json"))
    #expect(!result.isOn("tree"))
    #expect(result.positionals == ["base", "two", "-t"])
  }

  @Test func laterWordsWinAndListsGrow() throws {
    let before = try PeerArguments(
      ["--graph", "a", "--storage-opt", "x=1", "--debug"], flags: flags, rule: .firstPositional)
    let behind = try PeerArguments(
      ["--graph", "b", "--storage-opt", "y=2", "--debug=false"], flags: flags,
      rule: .firstPositional)
    let both = behind.over(before, lists: ["storage-opt"])
    #expect(both.text("graph") == "b")
    #expect(both.list("storage-opt") == ["x=1", "y=2"])
    #expect(!both.isOn("debug"))
  }
}
