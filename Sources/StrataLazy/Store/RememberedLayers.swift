import StrataDigest
import StrataJSON
import StrataModel
import StrataPersistence
import StrataSystem
import Synchronization

/// What images said of the layers that were served: so that these are there after a restart without the
/// registry, and when a tag has moved on.
///
/// A layer is asked for by a digest, and what was once said of one by a verified manifest stays true. One
/// file an image, `refs/<sha256 of the reference>`: JSON, `{"reference", "layers": [{"digest", "size",
/// "mediaType", "annotations", "diffID"}]}`; a damaged one is as good as none.
final class RememberedLayers: Sendable {
  private let folder: RawPath
  private let known = Mutex<[String: [Layer]]>([:])
  /// Held while a file is written, so that an older state never replaces a newer one; outside of `known`.
  private let writing = Mutex<Void>(())
  private static let limit = 1024
  private static let fileLimit = 8 << 20

  private struct Layer: Hashable, Sendable {
    var descriptor: LayerDescriptor
    var diffID: Digest
  }

  /// `folder` is there.
  init(_ folder: RawPath) { self.folder = folder }

  /// The layer of an image that `key` means, if it was served before.
  func claim(_ reference: String, _ key: Digest) -> LayerClaim? {
    try? LayerClaim(key, of: reference, layers(reference).map { ($0.descriptor, $0.diffID) })
  }

  /// Keeps a layer that is served.
  ///
  /// A full disk costs that the registry is needed after the next start.
  func remember(_ claim: LayerClaim) {
    let layer = Layer(descriptor: claim.descriptor, diffID: claim.diffID)
    if layers(claim.reference).contains(layer) { return }
    change(claim.reference) { layers in
      guard !layers.contains(layer) else { return }
      layers.append(layer)
      if layers.count > Self.limit { layers.removeFirst() }
    }
  }

  /// Drops a layer that is not what its image said.
  func forget(_ claim: LayerClaim) {
    _ = layers(claim.reference)
    change(claim.reference) { layers in
      layers.removeAll { $0.descriptor.digest == claim.descriptor.digest }
    }
  }

  private func path(_ reference: String) -> RawPath {
    folder.appending(RawPath(Digester.digest(of: Array(reference.utf8)).hex))
  }

  private func layers(_ reference: String) -> [Layer] {
    if let found = known.withLock({ $0[reference] }) { return found }
    let bytes = try? FileDescriptor.workingDirectory.contents(
      of: path(reference), limit: Self.fileLimit)
    let layers = bytes.flatMap { Self.decoded($0, reference) } ?? []
    known.withLock { $0[reference] = $0[reference] ?? layers }
    return layers
  }

  /// Changes what is known, which has been loaded, and writes it.
  private func change(_ reference: String, _ body: (inout [Layer]) -> Void) {
    writing.withLock { _ in
      let layers = known.withLock { known in
        body(&known[reference, default: []])
        return known[reference] ?? []
      }
      _ = try? AtomicFile.write(
        Self.encoded(layers, reference), to: path(reference), synchronize: false)
    }
  }

  // MARK: - JSON

  private static func encoded(_ layers: [Layer], _ reference: String) -> [UInt8] {
    let list = layers.map { layer in
      JSONValue.members([
        ("digest", .string(layer.descriptor.digest.description)),
        ("size", .integer(layer.descriptor.size)),
        ("mediaType", .string(layer.descriptor.mediaType)),
        (
          "annotations",
          .members(
            layer.descriptor.annotations.sorted { $0.key < $1.key }.map {
              ($0.key, .string($0.value))
            }
          )
        ),
        ("diffID", .string(layer.diffID.description)),
      ])
    }
    return JSONValue.members([("reference", .string(reference)), ("layers", .array(list))])
      .encoded()
  }

  private static func decoded(_ bytes: [UInt8], _ reference: String) -> [Layer]? {
    guard let json = try? JSONValue(parsing: bytes), json["reference"]?.string == reference else {
      return nil
    }
    return json["layers"]?.array?.compactMap { entry -> Layer? in
      guard let digest = entry["digest"]?.string.flatMap({ try? Digest($0) }),
        let diffID = entry["diffID"]?.string.flatMap({ try? Digest($0) }),
        let size = entry["size"]?.int64, size >= 0
      else { return nil }
      var annotations: [String: String] = [:]
      for member in entry["annotations"]?.members ?? [] {
        annotations[member.name] = member.value.string
      }
      return Layer(
        descriptor: LayerDescriptor(
          digest: digest, size: size, mediaType: entry["mediaType"]?.string ?? "",
          annotations: annotations), diffID: diffID)
    }
  }
}
