import ArgumentParser
import StrataImage
import StrataStore

extension Verb {
  static let commit = Verb(
    names: ["commit"], group: .images, usage: "CONTAINER [NAME]",
    summary: "Make an image of a container", isOfPeer: false, body: .command(CommitCommand.self))
}

/// `strata commit`: an image of what a container has written.
struct CommitCommand: StrataCommand {
  static let configuration = CommandConfiguration(
    commandName: "strata commit",
    abstract: "Make an image of a container.",
    discussion: """
      The image has the container's image below and one layer with what was written. Prints its id.

      Examples:
        strata commit box my-busybox
        strata commit box my-busybox -c 'CMD ["/bin/sh"]' -m 'tools added'
      """)

  @Argument(help: "Name or id of the container.")
  var container: String
  @Argument(help: "Name of the image.")
  var name: [String] = []
  @Option(
    name: [.long, .customShort("c")], parsing: .singleValue,
    help: "A line for the config, as 'ENV A=b'; may be given again.")
  var change: [String] = []
  @Option(name: [.long, .customShort("m")], help: "A note for the history.")
  var message: String?
  @Option(name: [.long, .customShort("a")], help: "Who made it.")
  var author: String?
  @Flag(name: [.long, .customShort("q")], help: "Say nothing of the progress.")
  var quiet = false
  @Flag(name: [.long, .customShort("j")], help: "Print the image's record as JSON.")
  var json = false
  @OptionGroup(title: "Store options") var store: StoreOptionGroup

  func run(_ session: Session) throws {
    var options = CommitOptions()
    options.names = name
    options.message = message
    options.author = author
    options.changes = change
    let progress = quiet ? nil : ProgressReport(verb: "commit", session.output)
    options.progress = progress
    defer { progress?.end() }
    let store = try session.store()
    let image = try StrataImage.commit(
      container: try session.containerKey(container, in: store), in: store, options: options)
    progress?.end()
    session.show(image, json: json)
  }
}
