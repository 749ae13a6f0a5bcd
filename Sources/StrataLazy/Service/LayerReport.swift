import StrataModel
import StrataSystem

/// What the daemon knows of a layer that an image was asked for.
struct LayerReport: Sendable {
  /// The digest by which it was asked for.
  var key: Digest
  /// How many users are counted.
  var uses: Int
  /// Nil for a plain layer, and for one that was refused.
  var lazy: Lazy?

  struct Lazy: Sendable {
    var blob: Digest
    var toc: Digest
    /// Of the blob.
    var size: Int64
    /// `known`: nothing was asked of it since the worker's start; `opening`, `open`, `failed`,
    /// `condemned`.
    var state: String
    /// Since the worker's start.
    var counts: TreeStatus.Counts
    /// Bytes of its files, and how many of them are in the cache; nil where its index is not there.
    var payloadBytes: Int64?
    var cachedBytes: Int64?
  }
}

/// An image that was asked for, and its layers in the order of asking.
struct ImageReport: Sendable {
  var reference: String
  var layers: [LayerReport]
}

extension LazyStore {
  /// All images, as they were asked for since the mount; asks the disk about each file that a layer has.
  func imageReports() -> [ImageReport] {
    var images: [UInt32: String] = [:]
    var keys: [(image: UInt32, slot: UInt32, key: Digest)] = []
    var trees: [(slot: UInt32, blob: Digest, toc: Digest, size: Int64)] = []
    _ = slots.slots { slot, subject -> Void? in
      switch subject {
      case .image(let reference): images[slot] = reference
      case .layer(let image, let key): keys.append((image, slot, key))
      case .tree(_, let blob, let toc, let size): trees.append((slot, blob, toc, size))
      }
      return nil
    }
    var layers: [UInt32: [LayerReport]] = [:]
    for (image, slot, key) in keys {
      let found = trees.first { $0.blob == key || $0.toc == key }
      layers[image, default: []].append(
        LayerReport(
          key: key, uses: slots.layer(slot).map { uses[$0.path] } ?? 0,
          lazy: found.map { lazyReport($0.slot, $0.blob, $0.toc, $0.size) }))
    }
    return images.sorted { $0.key < $1.key }.map { slot, reference in
      ImageReport(reference: reference, layers: layers[slot] ?? [])
    }
  }

  private func lazyReport(
    _ slot: UInt32, _ blob: Digest, _ toc: Digest, _ size: Int64
  ) -> LayerReport.Lazy {
    let tree = trees[slot]
    var report = LayerReport.Lazy(
      blob: blob, toc: toc, size: size, state: tree?.word ?? "known",
      counts: tree?.status.current ?? TreeStatus.Counts())
    let folder = layers.appending(RawPath(toc.hex))
    if Bindings.read(folder).contains(where: { $0.blob == blob }) {
      report.counts.isVerified = true
    }
    guard let index = (try? tree?.index) ?? index(in: folder) else { return report }
    var (all, cached): (Int64, Int64) = (0, 0)
    for entry in 0..<UInt32(index.entryCount) {
      guard let payload = index.payload(of: entry) else { continue }
      all += payload.size
      cached += trees.context.cache.heldBytes(of: payload)
    }
    report.payloadBytes = all
    report.cachedBytes = cached
    return report
  }
}
