import StrataModel
import StrataSystem

extension LazyStore {
  /// What the cache holds, and what was evicted.
  package var cacheCounts: CacheCounts { keeper.counts }

  /// Ends what runs by itself, with the cache on the disk; nothing is asked for afterwards.
  package func close() { keeper.end() }

  /// How dear contents are now (lazy-design section 11); reads the indexes of layers that are kept.
  ///
  /// A layer is kept while podman counts a use of it; whatever somebody has open stays in any case.
  func cacheRanks() -> CacheRanks {
    var open: Set<SHA256Value> = []
    var loaded: [RawPath: LayerIndex] = [:]
    for tree in trees.all {
      guard let index = try? tree.index else { continue }
      loaded[RawPath(tree.toc.hex)] = index
      open.formUnion(tree.contents.openEntries.compactMap { index.payloadKey(of: $0) })
    }
    let used = Set(
      uses.paths.compactMap { path in
        path.split(separator: "/").last.flatMap { try? Digest(String($0)) }
      })
    var ranks = CacheRanks(open: open, keepsMounted: options.keepsMounted)
    for name in layerFolders() {
      let folder = layers.appending(name)
      guard let index = loaded[name] ?? index(in: folder), isUsed(index, folder, used) else {
        continue
      }
      ranks.add(index, as: loaded[name] == nil ? .referenced : .mounted)
    }
    ranks.seal()
    return ranks
  }

  private func layerFolders() -> [RawPath] {
    guard
      let folder = try? FileDescriptor.workingDirectory.open(layers, [.readOnly, .directory]),
      let entries = try? folder.view.entries()
    else { return [] }
    return entries.map(\.name)
  }

  func index(in folder: RawPath) -> LayerIndex? {
    guard
      let file = try? FileDescriptor.workingDirectory.open(folder.appending("index"), .readOnly)
    else { return nil }
    return try? LayerIndex(file.view, checking: .header)
  }

  private func isUsed(_ index: LayerIndex, _ folder: RawPath, _ used: Set<Digest>) -> Bool {
    let facts = index.header.facts
    return used.contains(facts.tocDigest) || facts.blobDigest.map(used.contains) == true
      || Bindings.read(folder).contains { used.contains($0.blob) }
  }
}
