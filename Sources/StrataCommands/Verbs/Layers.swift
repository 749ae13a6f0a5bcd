package import StrataModel
import StrataStore
import StrataSystem

extension Verb {
  static let layers = Verb(
    names: ["layers"], group: .layers, usage: "", summary: "List layers",
    flags: [
      .switched("--tree", "-t", help: "Use a tree"),
      .switched("--quick", "-q", help: "Only print IDs"), .json,
    ],
    examples: [("strata layers --tree", "each layer below its parent")],
    body: .peer { call in
      let store = try call.session.store()
      let layers = try store.layers()
      if call.json { return call.line(layers) }
      if call.arguments.isOn("quick") { return layers.forEach { call.output.line($0.id) } }
      let users = LayerUsers(images: try store.images(), containers: try store.containers())
      if call.arguments.isOn("tree") {
        call.output.write(layerTree(layers, users, try store.mountPoints()))
      } else if call.isPeer {
        call.output.write(layerList(layers, users))
      } else {
        call.output.write(layerTable(layers, users, now: call.session.wallClock().seconds))
      }
    })
}

/// Which images and containers stand on a layer.
package struct LayerUsers {
  private(set) var images: [String: [ImageRecord]] = [:]
  private(set) var containers: [String: [ContainerRecord]] = [:]

  package init(images all: [ImageRecord], containers those: [ContainerRecord]) {
    for image in all {
      for layer in Set([image.layer].compactMap { $0 } + image.mappedLayers) {
        images[layer, default: []].append(image)
      }
    }
    for container in those { containers[container.layer, default: []].append(container) }
  }
}

/// The peer's plain list.
package func layerList(_ layers: [LayerRecord], _ users: LayerUsers) -> String {
  var text = ""
  for layer in layers {
    text += layer.id + "\n"
    for name in layer.names { text += "\tname: \(name)\n" }
    for image in users.images[layer.id] ?? [] {
      text += "\timage: \(image.id)\n"
      for name in image.names { text += "\t\tname: \(name)\n" }
    }
    for container in users.containers[layer.id] ?? [] {
      text += "\tcontainer: \(container.id)\n"
      for name in container.names { text += "\t\tname: \(name)\n" }
    }
  }
  return text
}

/// The peer's tree: notes of a node stand below it, children are indented by two.
package func layerTree(
  _ layers: [LayerRecord], _ users: LayerUsers, _ mountPoints: [String: String] = [:]
) -> String {
  var nodes: [TreeNode] = []
  let known = Set(layers.map(\.id))
  for layer in layers {
    var notes = layer.names.map { "name: \($0)" }
    if let point = mountPoints[layer.id] { notes.append("mount: \(point)") }
    for image in users.images[layer.id] ?? [] {
      notes.append("image: \(image.id)")
      notes += image.names.map { "image name: \($0)" }
    }
    for container in users.containers[layer.id] ?? [] {
      notes.append("container: \(container.id)")
      notes += container.names.map { "container name: \($0)" }
    }
    let parent = layer.parent.flatMap { known.contains($0) ? $0 : nil }
    nodes.append(TreeNode(id: layer.id, parent: parent, label: layer.id, notes: notes))
  }
  return nodes.isEmpty ? "" : "(base)\n" + treeText(nodes, gap: "")
}

private func layerTable(_ layers: [LayerRecord], _ users: LayerUsers, now: Int64) -> String {
  var table = Table(["ID", "PARENT", "SIZE", "CREATED", "USED BY"], [.left, .left, .right])
  for layer in layers {
    let images = (users.images[layer.id] ?? []).map { $0.names.first ?? "image \(shortID($0.id))" }
    let containers = (users.containers[layer.id] ?? []).map {
      "container \($0.names.first ?? shortID($0.id))"
    }
    table.add([
      shortID(layer.id), layer.parent.map(shortID) ?? "-", humanSize(layer.diffSize),
      humanAge(of: layer.created.seconds, now: now),
      (layer.names + images + containers).joined(separator: ", "),
    ])
  }
  return table.text
}
