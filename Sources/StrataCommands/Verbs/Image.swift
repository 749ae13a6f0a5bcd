import StrataModel
import StrataStore

extension Verb {
  static let image = Verb(
    names: ["image"], group: .images, usage: "imageNameOrID [...]", summary: "Examine an image",
    flags: [.json], minimum: 1, maximum: nil,
    examples: [
      ("strata image busybox", "names, top layer, digest, data items and size"),
      ("strata image --json busybox", "the record"),
    ],
    body: .peer { call in
      let session = call.session
      let store = try session.store()
      let readOnly = try store.readOnlyIDs()
      try call.examine(
        find: { word throws(StoreError) in
          try store.image(try session.imageKey(word, in: store))
        }
      ) { image in
        var lines = ["ID: \(image.id)"]
        lines += image.names.map { "Name: \($0)" }
        lines += ([image.layer ?? ""] + image.mappedLayers).map { "Top Layer: \($0)" }
        lines += image.digests.map { "Digest: \($0)" }
        lines += image.bigDataNames.map { "Data: \($0)" }
        do throws(StoreError) {
          lines.append("Size: \(try store.imageSize(image.id))")
        } catch {
          lines.append("Size unknown: \(error)")
        }
        if readOnly.contains(image.id) { lines.append("Read Only: true") }
        return lines
      }
    })
}
