import ArgumentParser
import StrataConfig
import StrataImage
import StrataModel
import StrataStore

extension Verb {
  static let push = Verb(
    names: ["push"], group: .images, usage: "IMAGE [DESTINATION]",
    summary: "Write an image to a registry", isOfPeer: false, body: .command(PushCommand.self))
}

/// `strata push`: an image to a registry.
struct PushCommand: StrataCommand {
  static let configuration = CommandConfiguration(
    commandName: "strata push",
    abstract: "Write an image to a registry.",
    discussion: """
      DESTINATION is a name with the registry in front, docker:// before it or not; without one the \
      image's own name says where it goes. Only what the registry lacks is sent: layers that it has, \
      here or in another repository that is known to have them, are not. Prints the digest of the \
      manifest.

      Layers go as the blobs that they came as, as with export.

      Examples:
        strata push busybox registry.example/me/busybox:1
        strata push registry.example/me/busybox:1
      """)

  @Argument(help: "Name or id of the image.")
  var image: String
  @Argument(help: "Where it goes.")
  var destination: String?
  @Option(name: .long, help: "How layers that must be compressed are: gzip or zstd.")
  var compressionFormat: Format?
  @OptionGroup var registry: RegistryOptionGroup
  @Flag(name: [.long, .customShort("q")], help: "Say nothing of the progress.")
  var quiet = false
  @OptionGroup(title: "Store options") var store: StoreOptionGroup

  /// The compressions of layers at a registry.
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case gzip, zstd
  }

  func run(_ session: Session) throws {
    let transfer = try session.registryTransfer("push")
    let progress = quiet ? nil : ProgressReport(verb: "push", session.output)
    defer { progress?.end() }
    let configured = try session.strataSettings().pushCompression
    let format = compressionFormat ?? Format(rawValue: configured)
    let store = try session.store()
    let order = PushOrder(
      image: try session.imageReference(image, in: store), destination: destination,
      compression: format.map { $0 == .gzip ? .gzip : .zstd },
      access: try registry.access(session, progress))
    let digest = try transfer.push(order, from: store)
    progress?.end()
    session.output.line(digest.description)
  }
}
