import ArgumentParser
import StrataConfig
import StrataImage
import StrataModel
import StrataSystem

extension Verb {
  static let pull = Verb(
    names: ["pull"], group: .images, usage: "IMAGE",
    summary: "Read an image from a registry", isOfPeer: false, body: .command(PullCommand.self))
}

/// `strata pull`: an image from a registry.
struct PullCommand: StrataCommand {
  static let configuration = CommandConfiguration(
    commandName: "strata pull",
    abstract: "Read an image from a registry.",
    discussion: """
      IMAGE is a name as podman takes it, by tag or by digest, docker:// in front or not. Where it is \
      read from and what short names mean is said by registries.conf, and who we are by auth.json. \
      Layers are read at the same time; those that the store has are not read. A pull that was cut goes \
      on where it ended. Prints the image's id.

      With --keep-blobs the compressed blob of each layer that is read stays beside it, as a data item \
      that goes with the layer: export, push and diff then give out the very blobs, whatever made them.

      Examples:
        strata pull registry.example/busybox:1.36
        strata pull --platform linux/arm64 registry.example/busybox
      """)

  @Argument(help: "Name of the image.")
  var image: String
  @Option(name: .long, help: ArgumentHelp("OS/ARCH[/VARIANT] to choose.", valueName: "platform"))
  var platform: String?
  @Option(name: .long, help: ArgumentHelp("Operating system to choose.", valueName: "name"))
  var os: String?
  @Option(name: .long, help: ArgumentHelp("Processor to choose.", valueName: "name"))
  var arch: String?
  @Option(name: .long, help: ArgumentHelp("Variant of the processor.", valueName: "name"))
  var variant: String?
  @OptionGroup var registry: RegistryOptionGroup
  @Option(
    name: .long,
    help: ArgumentHelp("State of strata-lazy, where blobs under way are kept.", valueName: "dir"))
  var stateDir: String?
  @Flag(
    name: .long, help: "Keep the compressed blobs of layers that are read, to give them out again.")
  var keepBlobs = false
  @Flag(name: [.long, .customShort("q")], help: "Say nothing of the progress.")
  var quiet = false
  @Flag(name: [.long, .customShort("j")], help: "Print the image's record as JSON.")
  var json = false
  @OptionGroup(title: "Store options") var store: StoreOptionGroup

  func run(_ session: Session) throws {
    let transfer = try session.registryTransfer("pull")
    let progress = quiet ? nil : ProgressReport(verb: "pull", session.output)
    defer { progress?.end() }
    // An ordinary user's namespace is entered while there is one thread.
    let store = try session.store()
    var order = PullOrder(
      image: image, operatingSystem: os, architecture: arch, variant: variant,
      stateDirectory: stateDir, keepsBlobs: keepBlobs,
      access: try registry.access(session, progress))
    if let platform {
      guard os == nil, arch == nil, variant == nil else {
        throw StoreError(.usage, "--platform says it all: leave --os, --arch and --variant out")
      }
      let parts = platform.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
      guard (1...3).contains(parts.count), !parts.contains("") else {
        throw StoreError(.usage, "--platform \(platform): it is written OS/ARCH or OS/ARCH/VARIANT")
      }
      order.operatingSystem = parts[0]
      if parts.count > 1 { order.architecture = parts[1] }
      if parts.count > 2 { order.variant = parts[2] }
    }
    let record = try transfer.pull(order, into: store)
    progress?.end()
    session.show(record, json: json)
  }
}

/// The options of every verb that speaks to a registry.
struct RegistryOptionGroup: ParsableArguments, Sendable {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Whether certificates must be good and plain http is refused: true or false.",
      valueName: "bool"))
  var tlsVerify: String?
  @Option(
    name: .long,
    help: ArgumentHelp("Name and password for the registry.", valueName: "user:password"))
  var creds: String?
  @Option(name: .long, help: ArgumentHelp("The only file of credentials.", valueName: "file"))
  var authfile: String?

  func access(_ session: Session, _ progress: ProgressReport?) throws -> RegistryAccess {
    var verifies: Bool?
    if let tlsVerify {
      guard let truth = PeerArguments.truth(tlsVerify) else {
        throw StoreError(.usage, "--tls-verify is true or false, not \(tlsVerify)")
      }
      verifies = truth
    }
    return RegistryAccess(
      verifiesTLS: verifies, credentials: creds, authFile: authfile,
      surroundings: session.surroundings, warn: { session.warn($0) }, progress: progress)
  }
}
