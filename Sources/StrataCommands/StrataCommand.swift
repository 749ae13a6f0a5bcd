import ArgumentParser

/// A verb that is ours: ArgumentParser takes its words apart.
protocol StrataCommand: ParsableCommand, Sendable {
  /// The options of the store.
  var store: StoreOptionGroup { get }
  /// Does it.
  func run(_ session: Session) throws
}

/// The options that count on both sides of every verb, for ArgumentParser.
struct StoreOptionGroup: ParsableArguments, Sendable {
  @Option(
    name: [.long, .customShort("g")], help: ArgumentHelp("Root of the store.", valueName: "dir"))
  var graph: String?
  @Option(
    name: [.long, .customShort("R")],
    help: ArgumentHelp("Root of the store's run-time state.", valueName: "dir"))
  var run: String?
  @Option(
    name: [.long, .customShort("s")], help: ArgumentHelp("Graph driver.", valueName: "name"))
  var storageDriver: String?
  @Option(
    name: .long, parsing: .singleValue,
    help: ArgumentHelp("Option of the driver; may be given again.", valueName: "key=value"))
  var storageOpt: [String] = []
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Seconds to wait for a locked store, or none; 60 by default.", valueName: "seconds"))
  var lockTimeout: String?
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Seconds that an additional layer store may take to answer; 5 by default.",
      valueName: "seconds"))
  var alsTimeout: String?
  @Option(
    name: .long,
    help: ArgumentHelp(
      "filesystem, or none: whether new layers are brought to the disk before they count.",
      valueName: "what"))
  var sync: String?
  @Flag(name: [.long, .customShort("D")], help: "Tell more on standard error.")
  var debug = false
  @Flag(name: .long, help: .hidden)
  var transientStore = false
  @Option(name: .long, help: .hidden)
  var imageStore: String?

  /// As words, to be laid over those before the verb.
  var words: [String] {
    var words: [String] = []
    for (name, value) in [
      ("--graph", graph), ("--run", run), ("--storage-driver", storageDriver),
      ("--image-store", imageStore), ("--lock-timeout", lockTimeout),
      ("--als-timeout", alsTimeout), ("--sync", sync),
    ] {
      if let value { words.append("\(name)=\(value)") }
    }
    words += storageOpt.map { "--storage-opt=\($0)" }
    if debug { words.append("--debug") }
    if transientStore { words.append("--transient-store") }
    return words
  }
}
