import StrataModel
import StrataStore

extension Verb {
  static let layer = Verb(
    names: ["layer"], group: .layers, usage: "layerNameOrID [...]", summary: "Examine a layer",
    flags: [.json], minimum: 1, maximum: nil,
    examples: [
      ("strata layer LAYER", "parent, ID maps and names"),
      ("strata layer --json LAYER", "the record"),
    ],
    body: .peer { call in
      let store = try call.session.store()
      let readOnly = try store.readOnlyIDs()
      try call.examine(find: { word throws(StoreError) in try store.layer(word) }) { layer in
        var lines = ["ID: \(layer.id)"]
        lines += mapLines("UID", layer.mappings.uids) + mapLines("GID", layer.mappings.gids)
        if let parent = layer.parent, !parent.isEmpty { lines.append("Parent: \(parent)") }
        lines += layer.names.map { "Name: \($0)" }
        if readOnly.contains(layer.id) { lines.append("Read Only: true") }
        return lines
      }
    })
}

/// An id map as the peer shows it.
func mapLines(_ what: String, _ maps: [IDMap]) -> [String] {
  maps.map {
    "\(what) mapping: (container=\($0.containerID), host=\($0.hostID), size=\($0.size))"
  }
}
