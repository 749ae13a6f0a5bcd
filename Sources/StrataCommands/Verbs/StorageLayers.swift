import StrataJSON
import StrataModel
import StrataStore

extension Verb {
  static let storageLayers = Verb(
    names: ["storage-layers"], group: .layers, usage: "",
    summary: "List the layers that the driver has, recorded or not", flags: [.json],
    examples: [("strata storage-layers", "folders of the driver, recorded or not")],
    body: .peer { call in
      let ids = try call.session.store().driverLayers()
      if call.json { return call.line(.strings(ids)) }
      ids.forEach { call.output.line($0) }
    })

  static let createStorageLayer = Verb(
    names: ["create-storage-layer"], group: .layers, usage: "[parentLayerNameOrID]",
    summary: "Create a layer in the driver alone",
    flags: [
      .text("--label", "-l", help: "Mount Label"), .text("--id", "-i", help: "Layer ID"),
      .switched("--readonly", "-r", help: "Mark as read-only"), .json,
    ] + IDMapFlags.all, maximum: 1,
    examples: [
      ("strata create-storage-layer", "a folder without a record, for tests of check and gc")
    ],
    body: .peer { call in
      let arguments = call.arguments
      let id = try call.session.store().createDriverLayer(
        id: arguments.text("id").flatMap { $0.isEmpty ? nil : $0 }, parent: call.words.first,
        mappings: try IDMapFlags.mappings(arguments) ?? IDMappings(),
        isReadOnly: arguments.isOn("readonly"))
      call.json ? call.line(.string(id)) : call.output.line(id)
    })
}
