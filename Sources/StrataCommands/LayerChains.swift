import StrataModel

/// Layers by id, to walk from a layer to its base.
struct LayerChains {
  private let byID: [String: LayerRecord]

  init(_ layers: [LayerRecord]) {
    byID = Dictionary(layers.map { ($0.id, $0) }) { first, _ in first }
  }

  /// The layer and those below it, topmost first; ends at one that is missing.
  func chain(of id: String?) -> [LayerRecord] {
    var chain: [LayerRecord] = []
    var next = id
    while let id = next, !id.isEmpty, let layer = byID[id], chain.count < byID.count {
      chain.append(layer)
      next = layer.parent
    }
    return chain
  }

  /// The recorded sizes of an image's layers and data items, -1 if one is not known.
  func size(of image: ImageRecord) -> Int64 {
    let layers = chain(of: image.layer)
    if layers.contains(where: { $0.diffSize < 0 }) { return -1 }
    let data = image.bigDataSizes.values.reduce(0, &+)
    return layers.reduce(data) { $0 &+ $1.diffSize }
  }
}
