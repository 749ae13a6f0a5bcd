import ArgumentParser
import StrataConfig
import StrataImage
import StrataJSON
import StrataModel
import StrataSystem

extension Verb {
  static let importImage = Verb(
    names: ["import"], group: .images, usage: "SOURCE [--name NAME]...",
    summary: "Read an image from a folder or a file", isOfPeer: false,
    body: .command(ImportCommand.self))
}

/// `strata import`: an image from a layout, an archive or a tar.
struct ImportCommand: StrataCommand {
  static let configuration = CommandConfiguration(
    commandName: "strata import",
    abstract: "Read an image from a folder or a file.",
    discussion: """
      SOURCE is oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME], tar:FILE for a \
      file system in one tar, or a bare path whose kind is found out; - is standard input. Layers \
      that the store has are not read again. Prints the image's id.

      With --keep-blobs the compressed blob of each layer that is read stays beside it, as a data item \
      that goes with the layer: export, push and diff then give out the very blobs, whatever made them.

      Examples:
        strata import oci:./layout:v1            one image of an OCI layout
        strata import image.tar                  docker save, podman save or skopeo
        tar c -C root . | strata import -n my -  a file system as an image
      """)

  @Argument(help: "What to read.")
  var source: String
  @Option(
    name: [.long, .customShort("n")], parsing: .singleValue,
    help: "Name of the image in place of the source's; may be given again.")
  var name: [String] = []
  @Option(
    name: [.long, .customShort("c")], parsing: .singleValue,
    help: "For a plain tar: a line for the config, as 'CMD [\"/bin/sh\"]'.")
  var change: [String] = []
  @Option(name: [.long, .customShort("m")], help: "For a plain tar: a note for the history.")
  var message: String?
  @Flag(
    name: .long, help: "Keep the compressed blobs of layers that are read, to give them out again.")
  var keepBlobs = false
  @Flag(name: [.long, .customShort("q")], help: "Say nothing of the progress.")
  var quiet = false
  @Flag(name: [.long, .customShort("j")], help: "Print the image's record as JSON.")
  var json = false
  @OptionGroup(title: "Store options") var store: StoreOptionGroup

  func run(_ session: Session) throws {
    var options = ImportOptions()
    options.names = name
    options.message = message
    options.changes = change
    options.keepsBlobs = keepBlobs
    if let directory = session.surroundings["TMPDIR"] {
      options.temporaryDirectory = .init(directory)
    }
    let progress = quiet ? nil : ProgressReport(verb: "import", session.output)
    options.progress = progress
    defer { progress?.end() }
    let image = try importImage(ImageSource(source), into: try session.store(), options: options)
    progress?.end()
    session.show(image, json: json)
  }
}

extension Session {
  /// The answer of a verb that has made an image.
  func show(_ image: ImageRecord, json: Bool) {
    if json { output.line(bytes: image.encoded()) } else { output.line(image.id) }
  }
}
