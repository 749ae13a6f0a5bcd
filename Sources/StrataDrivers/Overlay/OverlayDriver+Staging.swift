// Content of layers before they exist, and after, in `tempdirs` beside them (storage-format 10; 11,
// rule 11). `staging` is no place for it: podman 4.3 removes that whole at the end of each command.

package import StrataModel
package import StrataPersistence
package import StrataSystem

extension OverlayDriver {
  package var stagesIndependently: Bool { true }

  package func makeTemporaryDirectory(inImageStore: Bool) throws(StoreError) -> TemporaryDirectory {
    let path = inImageStore ? imageHome ?? home : home
    return try TemporaryDirectory(in: LayerFile.temporary, of: open(path), at: path)
  }

  package func stage(
    _ id: String, in place: TemporaryDirectory, on base: StagingBase?, mappings: IDMappings,
    parentMappings: IDMappings
  ) throws(StoreError) -> StagedContent {
    guard let owner = mappings.toHost(uid: 0, gid: 0) else {
      throw StoreError(
        .invalidMappings, "no mapping for user and group 0: invalid mappings specified")
    }
    let home = place.home.view
    let path = place.freshName("addition")
    return try naming("mkdir", place.homePath.appending(path)) { () throws(Errno) in
      try home.makeDirectory(path, mode: 0o700)
      let status = try home.status(of: path)
      if (status.uid, status.gid) != owner {
        try home.setOwner(of: path, uid: owner.uid, gid: owner.gid)
      }
      return StagedContent(
        place: place, path: path,
        target: place.homePath.appending(RawPath(id)).appending(LayerFile.diff))
    }
  }

  package func create(
    _ id: String, parent: String?, mappings: IDMappings, parentMappings: IDMappings,
    inImageStore: Bool, content: StagedContent
  ) throws(StoreError) {
    let (place, path) = (content.place, content.place.homePath)
    // All from the one descriptor that staging began with: see `TemporaryDirectory`.
    let root = try create(id, in: place.home, at: path, parent: parent, mappings: mappings)
    do throws(StoreError) {
      try naming("rename", path.appending(content.path)) { () throws(Errno) in
        try move(content, to: RawPath(id), root)
      }
    } catch {
      try? remove(id)
      throw error
    }
  }

  /// Makes staged content the `diff` of a layer, in place of an empty one.
  private func move(_ content: StagedContent, to layer: RawPath, _ root: LayerDirectory.Root)
    throws(Errno)
  {
    let home = content.place.home.view
    let diff = layer.appending(LayerFile.diff)
    try home.rename(content.path, to: home, diff)
    if content.rootIsGiven { return }
    try home.setOwner(of: diff, uid: root.uid, gid: root.gid)
    // chown takes set-id bits away, and without capabilities a directory of mode 0555 could not
    // have been moved.
    try home.setMode(of: diff, root.mode)
  }

  package func replaceEmpty(_ id: String, with content: StagedContent) throws(StoreError) -> Bool {
    let layer = try ownDirectory(of: id)
    guard layer.homePath == content.place.homePath, try layer.additionalLayer() == nil,
      olderDiffs(of: layer).isEmpty
    else { return false }
    let root = try layer.root()
    return try naming("rename", content.place.homePath.appending(content.path)) {
      () throws(Errno) in
      do throws(Errno) {
        try move(content, to: layer.id, root)
        return true
      } catch  where error == .directoryNotEmpty {
        return false
      }
    }
  }

  package func remove(_ id: String, later removals: Removals) throws(StoreError) {
    let layer = try ownDirectory(of: id)
    guard layer.exists else { return }
    let name = RawPath(id)
    do throws(StoreError) {
      let place = try removals.place(for: layer.homePath) { () throws(StoreError) in
        try TemporaryDirectory(in: LayerFile.temporary, of: layer.home, at: layer.homePath)
      }
      let additional = try layer.additionalLayer()
      try removeLink(of: layer)
      try naming("rename", layer.path) { () throws(Errno) in
        try place.home.view.rename(name, to: place.home.view, place.freshName(id))
      }
      if let additional {
        removals.finally { [additionalLayerCalls] in additionalLayerCalls.release(additional) }
      }
    } catch {
      // A full disk has no room for a directory, a mount may be in the way: here and now, then.
      try remove(id)
    }
  }

  package func synchronizeHome(inImageStore: Bool) throws(StoreError) {
    let path = inImageStore ? imageHome ?? home : home
    let opened = try open(path)
    try naming("fsync", path) { () throws(Errno) in try opened.view.synchronize() }
  }

  package func recoverTemporary(dryRun: Bool) throws(StoreError) -> [RawPath] {
    var found: [RawPath] = []
    for path in ownHomes {
      let home = try open(path)
      found += try TemporaryDirectory.recover(
        in: LayerFile.temporary, of: home.view, at: path, dryRun: dryRun)
    }
    return found
  }
}
