// Where the content of a layer is: its own directory and those of the layers below. The peers reopen
// these by path; here they are descriptors, which a deletion meanwhile does not take away.

package import StrataModel
package import StrataSystem

/// A directory of a layer below: its absolute path, as the mount program gets it, and how to open it.
struct LowerLayer {
  /// `<home>/l/XXXX`, or `<home>/l/XXXX/../diff1` for an older one of the same layer.
  let path: RawPath
  let home: SharedDescriptor
  let relative: RawPath
  /// Where its content is, if it is of an additional layer store.
  var additional: AdditionalLayerPlace?
}

extension OverlayDriver {
  package var whiteoutForm: WhiteoutForm { .aufs }

  package var ignoresOwnershipErrors: Bool { options.ignoresOwnershipErrors }

  package func openDiff(_ id: String) throws(StoreError) -> FileDescriptorOwner {
    let layer = try directory(of: id)
    try refuseForeignContent(layer)
    if let place = try layer.additionalLayer() {
      throw StoreError(.storeIsReadOnly).wrapped(
        "layer \(layer.id) is of the additional layer store \(place.store)")
    }
    let name = layer.id.appending(LayerFile.diff)
    return try naming("open", layer.path.appending(LayerFile.diff)) { () throws(Errno) in
      try layer.home.view.open(name, [.readOnly, .directory, .noFollow])
    }
  }

  package func diffDirectories(_ id: String, asking: Bool) throws(StoreError) -> DiffDirectories {
    let layer = try directory(of: id)
    try refuseForeignContent(layer)
    var own: [SharedDescriptor] = []
    if let place = try layer.additionalLayer() {
      own.append(SharedDescriptor(try additionalLayerCalls.openDiff(of: place)))
    }
    for name in (own.isEmpty ? [LayerFile.diff] : []) + olderDiffs(of: layer) {
      own.append(
        keptFromRemoval(
          try naming("open", layer.path.appending(name)) { () throws(Errno) in
            try layer.open(name)
          }))
    }
    var lowers: [SharedDescriptor] = []
    for lower in try lowerLayers(of: layer) {
      if let place = lower.additional {
        if !asking { continue }
        lowers.append(SharedDescriptor(try additionalLayerCalls.openDiff(of: place)))
        continue
      }
      lowers.append(
        keptFromRemoval(
          try naming("open", lower.path) { () throws(Errno) in
            try lower.home.view.open(lower.relative, [.readOnly, .directory])
          }))
    }
    return DiffDirectories(own: own, lowers: lowers)
  }

  /// `diff1`, `diff2`, … of a layer whose ID maps were changed by copying; the highest is lowest.
  func olderDiffs(of layer: LayerDirectory) -> [RawPath] {
    olderDiffs { layer.has($0) }
  }

  private func olderDiffs(_ exists: (RawPath) -> Bool) -> [RawPath] {
    var names: [RawPath] = []
    while exists(RawPath("diff\(names.count + 1)")) {
      names.append(RawPath("diff\(names.count + 1)"))
    }
    return names
  }

  /// The layers below one, uppermost first.
  ///
  /// A short link that is lost is made again.
  func lowerLayers(of layer: LayerDirectory) throws(StoreError) -> [LowerLayer] {
    var result: [LowerLayer] = []
    for link in try layer.lowers() {
      let (home, path, id) = try findLink(link, from: layer)
      let place = try LayerDirectory(home: home, homePath: path, id: id).additionalLayer()
      result.append(
        LowerLayer(path: path.appending(link), home: home, relative: link, additional: place))
      // The short link of such a layer leads out of the graph root, and so does `..` behind it.
      if place != nil { continue }
      let older = olderDiffs { (try? home.view.exists(link.appending("..").appending($0))) == true }
      for name in older {
        let relative = link.appending("..").appending(name)
        result.append(LowerLayer(path: path.appending(relative), home: home, relative: relative))
      }
    }
    return result
  }

  /// The home that has the short link: the layer's own, the store's, an additional one; and the layer
  /// that it leads to.
  ///
  /// A link beyond the layer's `diff` is not followed: an additional layer store may not answer.
  private func findLink(_ link: RawPath, from layer: LayerDirectory) throws(StoreError) -> (
    SharedDescriptor, RawPath, id: RawPath
  ) {
    if let found = target(of: link, from: layer) { return found }
    if owns(layer) {
      try recreateLinks(in: layer.home)
      if let found = target(of: link, from: layer) { return found }
    }
    throw StoreError(
      .damaged, "can't stat lower layer \"\(home.appending(link))\": no such file or directory")
  }

  /// As above, without the repair; nil where no home has it.
  func target(of link: RawPath, from layer: LayerDirectory) -> (
    SharedDescriptor, RawPath, id: RawPath
  )? {
    func target(_ home: SharedDescriptor) -> RawPath? {
      guard let parts = try? home.view.readLink(link).components, parts.count == 3,
        parts[0] == "..", parts[2] == LayerFile.diff,
        let type = try? home.view.status(of: parts[1].appending(parts[2])).type,
        type == .directory || type == .symlink
      else { return nil }
      return parts[1]
    }
    if let id = target(layer.home) { return (layer.home, layer.homePath, id) }
    for path in ownHomes + additionalHomes where path != layer.homePath {
      if let other = try? open(path), let id = target(other) { return (other, path, id) }
    }
    return nil
  }

  package func diffSize(_ id: String) throws(StoreError) -> Int64 {
    // No file of it is here.
    if try additionalLayer(of: id) != nil { return 0 }
    let diff = try openDiff(id)
    var seen: Set<UInt64> = []
    return try naming("stat", home.appending(RawPath(id)).appending(LayerFile.diff)) {
      () throws(Errno) in
      try contentSize(of: diff.view, &seen)
    }
  }

  /// The sizes of all that is no directory, each inode once (storage-format 4.9, 6).
  private func contentSize(of directory: FileDescriptor, _ seen: inout Set<UInt64>)
    throws(Errno) -> Int64
  {
    var total: Int64 = 0
    for entry in try directory.entries() {
      let status = try directory.status(of: entry.name)
      if status.type == .directory {
        let below = try directory.open(entry.name, [.readOnly, .directory, .noFollow])
        total += try contentSize(of: below.view, &seen)
      } else if status.linkCount == 1 || seen.insert(status.inode).inserted {
        total += status.size
      }
    }
    return total
  }
}
