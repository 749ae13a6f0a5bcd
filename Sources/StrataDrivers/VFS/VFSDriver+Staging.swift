// Content of vfs layers before they exist, and after, in `vfs/tempdirs`, where newer peers have it too.
//
// A layer holds its parent's content: that is copied first, from the layer in the store or from one
// that is staged itself, so the layers of an image follow one another. A parent that is deleted in the
// middle of the copy is missed when the layer's record is made.

package import StrataModel
package import StrataPersistence
package import StrataSystem

extension VFSDriver {
  private static let temporary: RawPath = "tempdirs"

  package var stagesIndependently: Bool { false }

  private func openHome(_ path: RawPath) throws(StoreError) -> SharedDescriptor {
    SharedDescriptor(
      try naming("open", path) { () throws(Errno) in
        try FileDescriptor.workingDirectory.open(path, [.readOnly, .directory])
      })
  }

  package func makeTemporaryDirectory(inImageStore: Bool) throws(StoreError) -> TemporaryDirectory {
    let path = inImageStore ? imageHome ?? home : home
    return try TemporaryDirectory(in: Self.temporary, of: openHome(path), at: path)
  }

  package func stage(
    _ id: String, in place: TemporaryDirectory, on base: StagingBase?, mappings: IDMappings,
    parentMappings: IDMappings
  ) throws(StoreError) -> StagedContent {
    var tree: SharedDescriptor?
    switch base {
    case nil: break
    case .staged(let content): tree = try content.open()
    case .layer(let parent): tree = keptFromRemoval(try open(parent))
    }
    let path = place.freshName("addition")
    _ = try Self.makeTree(
      path, in: place.home.view, place.homePath.appending(path), copying: tree, mappings,
      parentMappings)
    return StagedContent(
      place: place, path: path, target: Self.path(id, in: place.homePath))
  }

  package func create(
    _ id: String, parent: String?, mappings: IDMappings, parentMappings: IDMappings,
    inImageStore: Bool, content: StagedContent
  ) throws(StoreError) {
    try remove(id)
    let home = content.place.home.view
    try naming("rename", content.place.homePath.appending(content.path)) { () throws(Errno) in
      try home.rename(content.path, to: home, Self.layersFolder.appending(RawPath(id)))
    }
  }

  package func remove(_ id: String, later removals: Removals) throws(StoreError) {
    for path in ownHomes where Self.isThere(Self.path(id, in: path)) {
      do throws(StoreError) {
        let place = try removals.place(for: path) { () throws(StoreError) in
          try TemporaryDirectory(in: Self.temporary, of: openHome(path), at: path)
        }
        let home = place.home.view
        let name = Self.layersFolder.appending(RawPath(id))
        try naming("rename", Self.path(id, in: path)) { () throws(Errno) in
          try home.rename(name, to: home, place.freshName(id))
        }
      } catch {
        // A full disk has no room for a directory: here and now, then.
        try remove(id)
      }
    }
  }

  package func synchronizeHome(inImageStore: Bool) throws(StoreError) {
    let path = (inImageStore ? imageHome ?? home : home).appending(Self.layersFolder)
    let opened = try openHome(path)
    try naming("fsync", path) { () throws(Errno) in try opened.view.synchronize() }
  }

  package func recoverTemporary(dryRun: Bool) throws(StoreError) -> [RawPath] {
    var found: [RawPath] = []
    for path in ownHomes {
      let home = try openHome(path)
      found += try TemporaryDirectory.recover(
        in: Self.temporary, of: home.view, at: path, dryRun: dryRun)
    }
    return found
  }
}
