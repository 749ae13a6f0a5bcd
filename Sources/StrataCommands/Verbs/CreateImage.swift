import StrataModel
import StrataStore

extension Verb {
  static let createImage = Verb(
    names: ["create-image"], group: .images, usage: "[topLayerNameOrID]",
    summary: "Create a new image using layers",
    flags: [
      .list("--name", "-n", help: "Image name"), .text("--id", "-i", help: "Image ID"),
      .text("--digest", "-d", help: "Image Digest"),
      .text("--metadata", "-m", help: "Metadata"),
      .text("--metadata-file", "-f", help: "Metadata File"), .json,
    ], maximum: 1,
    examples: [
      ("strata create-image -n mine LAYER", "an image without config, as a name for layers")
    ],
    body: .peer { call in
      var creation = ImageCreation(
        id: call.arguments.text("id").flatMap { $0.isEmpty ? nil : $0 },
        names: call.arguments.list("name"), layer: call.words.first,
        metadata: try call.metadataText() ?? "")
      if let text = call.arguments.text("digest"), !text.isEmpty {
        do throws(Digest.ParseError) {
          creation.digest = try Digest(text)
        } catch {
          throw StoreError(.invalidDigest, "\(error)")
        }
      }
      let image = try call.session.store().createImage(creation)
      call.created(image, id: image.id, names: image.names)
    })
}

extension Call {
  /// What `--metadata` or `--metadata-file` give, nil if neither is there.
  func metadataText() throws -> String? {
    if let path = arguments.text("metadata-file"), !path.isEmpty {
      return String(decoding: try fileBytes(path), as: UTF8.self)
    }
    return arguments.text("metadata")
  }
}
