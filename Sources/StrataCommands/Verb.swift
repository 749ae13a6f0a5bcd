/// One verb: how it is spelled, what it takes and what it does.
package struct Verb: Sendable {
  /// Under which head the overview shows it.
  enum Group: String, CaseIterable, Sendable {
    case images = "Images"
    case containers = "Containers"
    case layers = "Layers"
    case anything = "Layers, images and containers"
    case store = "The store"
  }

  /// What has to be ready before it runs.
  enum Needs: Sendable {
    case nothing
    /// An open store, as an ordinary user in a namespace of its own.
    case store
    /// As above, and the namespace must outlive the verb, since it leaves a mount behind.
    case lastingNamespace
  }

  /// Who takes its words apart and runs it.
  enum Body: Sendable {
    /// The peer's flag rules.
    case peer(@Sendable (Call) throws -> Void)
    /// ArgumentParser.
    case command(any StrataCommand.Type)
  }

  /// The first one is shown.
  package var names: [String]
  /// Further spellings that only `strata` answers to.
  package var ownNames: [String] = []
  var group: Group
  /// The rest of the usage line.
  var usage: String
  var summary: String
  /// What `strata` says in its place.
  var ownSummary: String?
  var flags: [PeerFlag] = []
  var minimum = 0
  /// The largest number of words, nil for any.
  var maximum: Int? = 0
  var needs = Needs.store
  /// Whether the first word ends the options for `strata` too, since what follows is a command.
  var endsAtFirstWord = false
  /// Whether containers-storage has it.
  var isOfPeer = true
  /// Command lines for `--help`, each with what it does.
  var examples: [(line: String, what: String)] = []
  var body: Body

  package var name: String { names[0] }
  /// What it does, in the words of `strata`.
  var shownSummary: String { ownSummary ?? summary }
}

/// One run of a verb of the peer's kind.
struct Call {
  var session: Session
  /// The verb's name.
  var verb: String
  var arguments: PeerArguments

  var words: [String] { arguments.positionals }
  var output: Output { session.output }
  /// Whether `--json` is on.
  var json: Bool { arguments.isOn("json") }
  /// Whether the peer's exact text is wanted.
  var isPeer: Bool { session.persona == .peer }
}
