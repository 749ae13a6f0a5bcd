import ArgumentParser
import StrataConfig
import StrataImage
import StrataModel
import StrataStore

extension Verb {
  static let exportImage = Verb(
    names: ["export"], group: .images, usage: "IMAGE DESTINATION",
    summary: "Write an image to a folder or a file", isOfPeer: false,
    body: .command(ExportCommand.self))
}

/// `strata export`: an image to a layout or an archive.
struct ExportCommand: StrataCommand {
  static let configuration = CommandConfiguration(
    commandName: "strata export",
    abstract: "Write an image to a folder or a file.",
    discussion: """
      DESTINATION is oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME]. The config \
      keeps its bytes and every layer its diff ID. Prints the digest of the manifest.

      Layers go as the blobs that they came as where those were kept, or what made them is at hand: zlib, \
      zstd, the programs gzip and pigz. Where that cannot be, one line says so.

      Layers of the forms estargz and zstd:chunked can be read file by file, so that an image starts \
      before it was pulled. zstd:chunked keeps tars, config and id. eStargz puts its table of contents \
      into the tars: diff IDs, config and id become others, as with the peers' converters.

      Examples:
        strata export busybox oci:./layout:v1
        strata export busybox docker-archive:busybox.tar
      """)

  @Argument(help: "Name or id of the image.")
  var image: String
  @Argument(help: "Where it goes.")
  var destination: String
  @Option(
    name: .long, help: "How layers are compressed: gzip, zstd, none, estargz or zstd:chunked.")
  var compression: LayerCompression?
  @Flag(name: [.long, .customShort("q")], help: "Say nothing of the progress.")
  var quiet = false
  @OptionGroup(title: "Store options") var store: StoreOptionGroup

  /// The compressions that an image can be written in.
  enum LayerCompression: String, ExpressibleByArgument, CaseIterable {
    case gzip, zstd, none, estargz
    case zstdChunked = "zstd:chunked"
  }

  func run(_ session: Session) throws {
    guard let target = ImageDestination(destination) else {
      throw StoreError(
        .usage,
        "\(destination) is no destination: write oci:DIR, oci-archive:FILE or docker-archive:FILE")
    }
    var options = ExportOptions()
    let configured = try session.strataSettings().exportCompression
    switch compression ?? LayerCompression(rawValue: configured) {
    case .gzip: options.compression = .gzip
    case .zstd: options.compression = .zstd
    case .some(.none): options.compression = Compression.none
    case .estargz: options.lazyForm = .eStargz
    case .zstdChunked: options.lazyForm = .zstdChunked
    case nil: break
    }
    let progress = quiet ? nil : ProgressReport(verb: "export", session.output)
    options.progress = progress
    defer { progress?.end() }
    let store = try session.store()
    let digest = try exportImage(
      try session.imageReference(image, in: store), from: store, to: target, options: options)
    progress?.end()
    session.output.line(digest.description)
  }
}
