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
    flags: flagsOfLayer + [.text("--file", "-f", help: "Import from file instead of stdin")],
    maximum: 1,
    examples: [
      ("strata import-layer -f base.tar.gz", "a layer without a parent"),
      ("tar c dir | strata import-layer --name two base", "one on top of the layer base"),
    ],
    body: .peer { call in
      let creation = try call.layerCreation()
      let store = try call.session.store()
      let layer = try call.withInput { try store.putLayer(creation, content: $0) }
      call.created(layer, id: layer.id, names: layer.names)
    })
}

extension Call {
  fileprivate func layerCreation() throws -> LayerCreation {
    LayerCreation(
      id: arguments.text("id").flatMap { $0.isEmpty ? nil : $0 }, parent: words.first,
      names: arguments.list("name"), mountLabel: arguments.text("label") ?? "",
      mappings: try IDMapFlags.mappings(arguments), isReadOnly: arguments.isOn("readonly"))
  }
}
