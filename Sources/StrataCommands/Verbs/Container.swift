import StrataModel
import StrataStore

extension Verb {
  static let container = Verb(
    names: ["container"], group: .containers, usage: "containerNameOrID [...]",
    summary: "Examine a container", flags: [.json], minimum: 1, maximum: nil,
    examples: [
      ("strata container box", "its image, layer, names and size"),
      ("strata container --json box", "the record"),
    ],
    body: .peer { call in
      let store = try call.session.store()
      try call.examine(find: { word throws(StoreError) in try store.container(word) }) {
        container in
        var lines = ["ID: \(container.id)"]
        lines += container.names.map { "Name: \($0)" }
        lines.append("Image: \(container.image)")
        if let image = try? store.image(container.image) {
          lines += image.names.map { "Image name: \($0)" }
        }
        if let size = try? store.containerSize(container.id) { lines.append("Size: \(size)") }
        lines.append("Layer: \(container.layer)")
        lines += container.bigDataNames.map { "Data: \($0)" }
        return lines
      }
    })
}
