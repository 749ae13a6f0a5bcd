import ArgumentParser
import StrataJSON
import StrataModel
import StrataStore

extension Verb {
  static let create = Verb(
    names: ["create"], group: .containers, usage: "IMAGE [--name NAME]",
    summary: "Make a container of an image", isOfPeer: false, body: .command(CreateCommand.self))
}

/// `strata create`: a container to mount and to write to.
struct CreateCommand: StrataCommand {
  static let configuration = CommandConfiguration(
    commandName: "strata create",
    abstract: "Make a container of an image.",
    discussion: """
      A container is a layer to write to on top of an image; strata runs no programs in it. Prints \
      its id.

      Examples:
        strata create busybox --name box
        chroot "$(strata mount box)" /bin/sh
      """)

  @Argument(help: "Name or id of the image.")
  var image: String
  @Option(name: [.long, .customShort("n")], help: "Name of the container.")
  var name: String?
  @Flag(name: .long, help: "It need not survive a reboot, and is not synced to the disk.")
  var volatile = false
  @Flag(name: [.long, .customShort("j")], help: "Print the container's record as JSON.")
  var json = false
  @OptionGroup(title: "Store options") var store: StoreOptionGroup

  func run(_ session: Session) throws {
    let store = try session.store()
    let container = try store.createContainer(
      ContainerCreation(
        names: name.map { [$0] } ?? [], image: try session.imageKey(image, in: store),
        volatile: volatile))
    if json {
      session.output.line(bytes: container.encoded())
    } else {
      session.output.line(container.id)
    }
  }
}
