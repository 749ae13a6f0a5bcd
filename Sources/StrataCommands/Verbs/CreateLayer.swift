import StrataImage
import StrataModel
import StrataStore

extension Verb {
  private static let flagsOfLayer: [PeerFlag] =
    [
      .text("--label", "-l", help: "Mount Label"), .list("--name", "-n", help: "Layer name"),
      .text("--id", "-i", help: "Layer ID"),
      .switched("--readonly", "-r", help: "Mark as read-only"), .json,
    ] + IDMapFlags.all

  static let createLayer = Verb(
    names: ["create-layer"], group: .layers, usage: "[parentLayerNameOrID]",
    summary: "Create a new layer", flags: flagsOfLayer, maximum: 1,
    examples: [("strata create-layer --name base", "an empty layer")],
    body: .peer { call in
      let layer = try call.session.store().createLayer(try call.layerCreation())
      call.created(layer, id: layer.id, names: layer.names)
    })

  static let importLayer = Verb(
    names: ["import-layer"], group: .layers, usage: "[parentLayerNameOrID]",
    summary: "Import a new layer",
    flags: flagsOfLayer + [
      .text("--file", "-f", help: "Import from file instead of stdin"),
      .text(
        "--from-als",
        help: "Make it of the blob with this digest in an additional layer store, without a copy",
        isOfPeer: false),
      .text(
        "--toc", help: "As --from-als, by the digest of the blob's table of contents",
        isOfPeer: false),
      .text(
        "--reference",
        help: "With either: the image, as registry/path:tag, by which the store finds the layer",
        isOfPeer: false),
    ],
    maximum: 1,
    examples: [
      ("strata import-layer -f base.tar.gz", "a layer without a parent"),
      ("tar c dir | strata import-layer --name two base", "one on top of the layer base"),
      (
        "strata import-layer --from-als sha256:... --reference quay.io/a/b:1",
        "a lazy one, which an additional layer store has"
      ),
    ],
    body: .peer { call in
      let creation = try call.layerCreation()
      let store = try call.session.store()
      let layer: LayerRecord
      if let offered = try call.additionalLayer(in: store) {
        layer = try offered.createAs(creation)
      } else {
        layer = try call.withInput { try store.putLayer(creation, content: $0) }
      }
      call.created(layer, id: layer.id, names: layer.names)
    })
}

extension Call {
  /// The layer that is asked for by `--from-als` or `--toc`; nil without either.
  fileprivate func additionalLayer(in store: Store) throws -> AdditionalLayer? {
    let digests = (blob: arguments.text("from-als"), toc: arguments.text("toc"))
    guard let text = digests.blob ?? digests.toc else {
      if arguments.text("reference") == nil { return nil }
      throw StoreError(.usage, "--reference goes with --from-als or --toc")
    }
    if digests.blob != nil && digests.toc != nil {
      throw StoreError(.usage, "--from-als and --toc: one digest finds a layer")
    }
    if arguments.text("file") != nil {
      throw StoreError(.usage, "--file and an additional layer store: a layer has one content")
    }
    guard store.hasAdditionalLayerStores else {
      throw StoreError(
        .usage,
        "there is no additional layer store: name one with "
          + "--storage-opt overlay.additionallayerstore=PATH[:ref]")
    }
    let digest: Digest
    do throws(Digest.ParseError) {
      digest = try Digest(text)
    } catch {
      throw StoreError(.invalidDigest, "\(text): \(error)")
    }
    let reference = try arguments.text("reference").map(normalizedReference)
    let found =
      try digests.blob != nil
      ? store.lookupAdditionalLayer(digest: digest, imageReference: reference)
      : store.lookupAdditionalLayer(tocDigest: digest, imageReference: reference)
    guard let found else {
      let image = reference.map { " for \($0)" } ?? ""
      throw StoreError(
        .layerUnknown, "no additional layer store has layer \(digest)\(image)")
    }
    return found
  }

  fileprivate func layerCreation() throws -> LayerCreation {
    LayerCreation(
      id: arguments.text("id").flatMap { $0.isEmpty ? nil : $0 }, parent: words.first,
      names: arguments.list("name"), mountLabel: arguments.text("label") ?? "",
      mappings: try IDMapFlags.mappings(arguments), isReadOnly: arguments.isOn("readonly"))
  }
}
