import ArgumentParser
import StrataModel
import StrataStore

extension Verb {
  static let tree = Verb(
    names: ["tree"], group: .images, usage: "[IMAGE...]",
    summary: "Show layers below images and containers as a tree", isOfPeer: false,
    body: .command(TreeCommand.self))
}

/// `strata tree`: which layers are shared by which images and containers.
struct TreeCommand: StrataCommand {
  static let configuration = CommandConfiguration(
    commandName: "strata tree",
    abstract: "Show layers below images and containers as a tree.",
    discussion: """
      Every layer stands below its parent, with its size and the images and containers on it. \
      With --json the layers come in the order of the store, each naming its parent.

      Examples:
        strata tree            the whole store
        strata tree busybox    the layers of one image
      """)

  @Argument(help: "Names or ids of images; all if there is none.")
  var images: [String] = []
  @Flag(
    name: [.long, .customShort("j")],
    help: "Print the layers' records as JSON, as containers-storage does.")
  var json = false
  @OptionGroup(title: "Store options") var store: StoreOptionGroup

  func run(_ session: Session) throws {
    let store = try session.store()
    var layers = try store.layers()
    if !images.isEmpty {
      let chains = LayerChains(layers)
      var wanted: Set<String> = []
      for word in images {
        let image = try store.image(try session.imageKey(word, in: store))
        wanted.formUnion(chains.chain(of: image.layer).map(\.id))
      }
      layers = layers.filter { wanted.contains($0.id) }
    }
    if json { return session.output.line(bytes: layers.jsonList) }
    let users = LayerUsers(images: try store.images(), containers: try store.containers())
    let lazy = store.additionalLayerIDs(among: layers)
    session.output.write(imageTree(layers, users, lazy: lazy))
  }
}

/// Layers with their sizes, images and containers; `lazy` are those without files of their own.
func imageTree(_ layers: [LayerRecord], _ users: LayerUsers, lazy: Set<String> = []) -> String {
  let known = Set(layers.map(\.id))
  let nodes = layers.map { layer in
    let images = (users.images[layer.id] ?? []).map { image in
      "image \(image.names.isEmpty ? shortID(image.id) : image.names.joined(separator: ", "))"
    }
    let containers = (users.containers[layer.id] ?? []).map {
      "container \($0.names.first ?? shortID($0.id))"
    }
    let size = layer.diffID == nil && layer.diffSize <= 0 ? "-" : humanSize(layer.diffSize)
    let note = lazy.contains(layer.id) ? ["(lazy)"] : []
    let label = ([shortID(layer.id), size] + note + layer.names).joined(separator: "  ")
    return TreeNode(
      id: layer.id, parent: layer.parent.flatMap { known.contains($0) ? $0 : nil }, label: label,
      notes: images + containers)
  }
  return treeText(nodes, gap: " ")
}
