import StrataJSON
import StrataModel
import StrataStore
import StrataSystem

extension Verb {
  static let diskUse = Verb(
    names: ["du"], group: .store, usage: "", summary: "Show what takes how much of the disk",
    flags: [.json], isOfPeer: false,
    examples: [("strata du", "images with what they share, containers, and what nobody uses")],
    body: .peer { call in
      let store = try call.session.store(keepingLeftovers: true)
      let layers = try store.layers()
      var sizes: [String: Int64] = [:]
      for layer in layers { sizes[layer.id] = try store.diskUse(ofLayer: layer.id) }
      let images = try store.images()
      let containers = try store.containers()
      let chains = LayerChains(layers)
      var users: [String: Int] = [:]
      // With the copies for other ID maps.
      let stacks = images.map { image in
        Set(([image.layer] + image.mappedLayers).flatMap { chains.chain(of: $0).map(\.id) })
      }
      for id in stacks.joined() { users[id, default: 0] += 1 }
      var rows: [(kind: String, name: String, size: Int64, own: Int64)] = []
      for (image, stack) in zip(images, stacks) {
        let data = try store.diskUse(ofImage: image.id)
        rows.append(
          (
            "image", image.names.first ?? shortID(image.id),
            stack.reduce(data) { $0 + (sizes[$1] ?? 0) },
            stack.filter { users[$0] == 1 }.reduce(data) { $0 + (sizes[$1] ?? 0) }
          ))
      }
      for container in containers {
        let size = try store.diskUse(ofContainer: container.id) + (sizes[container.layer] ?? 0)
        rows.append(("container", container.names.first ?? shortID(container.id), size, size))
      }
      let used = Set(containers.flatMap { chains.chain(of: $0.layer).map(\.id) }).union(users.keys)
      for layer in layers where !used.contains(layer.id) {
        let size = sizes[layer.id] ?? 0
        rows.append(("unused layer", layer.names.first ?? shortID(layer.id), size, size))
      }
      do {
        // What is garbage shows only under the write locks.
        for item in store.isReadOnly ? [] : try store.collectGarbage(dryRun: true) {
          rows.append(("garbage", oneLine(item.path.description), item.size, item.size))
        }
      } catch let error as StoreError where error.code == .damaged {
        call.say(error.message)
      }
      if call.json {
        return call.line(
          .array(
            rows.map {
              .members([
                ("kind", .string($0.kind)), ("name", .string($0.name)), ("size", .integer($0.size)),
                ("own", .integer($0.own)),
              ])
            }))
      }
      var table = Table(["KIND", "NAME", "SIZE", "OWN"], [.left, .left, .right, .right])
      for row in rows { table.add([row.kind, row.name, humanSize(row.size), humanSize(row.own)]) }
      call.output.write(table.text)
    })

  static let prune = Verb(
    names: ["prune"], group: .store, usage: "",
    summary: "Delete images without names and layers that nothing uses",
    flags: [
      .switched("--dry-run", "-n", help: "Only say what would be deleted"),
      .text("--min-age", help: "Leave layers that are younger alone (24h)"), .json,
    ], isOfPeer: false,
    examples: [("strata prune --dry-run", "what would go")],
    body: .peer { call in
      let store = try call.session.store()
      var age: Int64 = 24 * 3600
      if let text = call.arguments.text("min-age") {
        guard let given = goDuration(text), given >= 0 else {
          throw StoreError(.usage, "\(text) is no duration: write 24h or 90m")
        }
        age = given
      }
      let isDry = call.arguments.isOn("dry-run")
      var gone: [JSONValue] = []
      var isEmpty = true
      func tell(_ kind: String, _ id: String) {
        isEmpty = false
        if call.json {
          gone.append(.members([("kind", .string(kind)), ("id", .string(id))]))
        } else {
          call.output.line("\(kind) \(id)")
        }
      }
      // What was deleted until something fails is told too.
      defer { if call.json { call.line(.array(gone)) } }
      let used = Set(try store.containers().map(\.image))
      let readOnly = try store.readOnlyIDs()
      for image in try store.images()
      where image.names.isEmpty && !used.contains(image.id) && !readOnly.contains(image.id) {
        if !isDry { try store.deleteImage(image.id) }
        tell("image", image.id)
      }
      let unused = try store.unusedLayers(olderThan: age)
      for id in unused {
        if !isDry { try store.deleteLayer(id) }
        tell("layer", id)
      }
      if isEmpty, !call.json { call.output.line("nothing to remove") }
    })
}
