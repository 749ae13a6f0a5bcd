// The overlay driver: layers are directories of changes, stacked by a mount program. It never mounts
// the kernel's overlay (docs/architecture.md), so whiteouts stay in the form of the tar.

package import StrataModel
import StrataPersistence
package import StrataSystem

/// The overlay driver on one graph root and its additional image stores.
package final class OverlayDriver: GraphDriver {
  package let name = "overlay"
  package let home: RawPath
  /// The home in the separate image store, if there is one.
  let imageHome: RawPath?
  let runHome: RawPath
  let options: OverlayOptions
  /// Asks additional layer stores.
  package let additionalLayerCalls: AdditionalLayerCalls
  /// What newer peers and Strata itself keep in the home beside layers (storage-format 1.1).
  static let reserved: Set<RawPath> = ["l", "staging", "tempdirs", "backingFsBlockDev"]

  /// Opens the driver and makes its directories unless the root is read-only.
  package init(
    graphRoot: RawPath, runRoot: RawPath, options: OverlayOptions, imageStore: RawPath? = nil,
    readOnly: Bool = false, additionalLayerCalls: AdditionalLayerCalls = AdditionalLayerCalls()
  ) throws(StoreError) {
    self.additionalLayerCalls = additionalLayerCalls
    home = graphRoot.appending("overlay")
    imageHome = imageStore?.appending("overlay")
    runHome = runRoot.appending("overlay")
    self.options = options
    if !options.mountProgram.isEmpty {
      do throws(Errno) {
        _ = try FileDescriptor.workingDirectory.status(of: options.mountProgram, follow: true)
      } catch {
        throw StoreError(error, "overlay: can't stat program \"\(options.mountProgram)\"")
      }
    }
    if readOnly { return }
    for home in ownHomes { try makeHome(home) }
  }

  private func makeHome(_ home: RawPath) throws(StoreError) {
    let here = FileDescriptor.workingDirectory
    for path in [home, runHome] {
      try naming("mkdir", path) { () throws(Errno) in
        try here.makeDirectories(path, mode: 0o700)
      }
    }
    let links = home.appending(LayerFile.links)
    try naming("mkdir", links) { () throws(Errno) in
      do throws(Errno) {
        try here.makeDirectory(links, mode: 0o755)
        try here.setMode(of: links, 0o755)
      } catch  where error == .fileExists {}
    }
    // A store once opened with a mount program stays one (storage-format 1.4).
    let flag = home.appending(".has-mount-program")
    let yes = Array("true".utf8)
    if (try? here.contents(of: flag, limit: 16)) == yes { return }
    try naming("open", flag) { () throws(Errno) in
      let file = try here.open(flag, [.writeOnly, .create, .truncate], mode: 0o600)
      try file.view.writeAll(yes)
      try file.close()
    }
  }

  // MARK: - Finding layers

  /// Opens a home: the store's own, or that of an additional image store.
  func open(_ path: RawPath) throws(StoreError) -> SharedDescriptor {
    SharedDescriptor(
      try naming("open", path) { () throws(Errno) in
        try FileDescriptor.workingDirectory.open(path, [.readOnly, .directory])
      })
  }

  /// The homes that this store writes: its own, and that of a separate image store.
  var ownHomes: [RawPath] { [home] + [imageHome].compactMap { $0 } }

  /// Whether a layer may be written.
  func owns(_ layer: LayerDirectory) -> Bool { ownHomes.contains(layer.homePath) }

  /// The directory of a layer in an own home, or where it would be.
  func ownDirectory(of id: String) throws(StoreError) -> LayerDirectory {
    if let imageHome {
      let layer = LayerDirectory(home: try open(imageHome), homePath: imageHome, id: RawPath(id))
      if layer.exists { return layer }
    }
    return LayerDirectory(home: try open(home), homePath: home, id: RawPath(id))
  }

  /// The homes of the additional image stores that have one.
  var additionalHomes: [RawPath] { options.imageStores.map { $0.appending(RawPath(name)) } }

  /// The directory of a layer, in the own home or an additional one.
  func directory(of id: String) throws(StoreError) -> LayerDirectory {
    let own = try ownDirectory(of: id)
    if own.exists { return own }
    for path in additionalHomes {
      guard let other = try? open(path) else { continue }
      let layer = LayerDirectory(home: other, homePath: path, id: RawPath(id))
      if layer.exists { return layer }
    }
    throw StoreError(.layerUnknown, "stat \(own.path): no such file or directory")
  }

  package func exists(_ id: String) -> Bool { (try? directory(of: id)) != nil }

  package func directoryPath(of id: String) -> RawPath {
    ((try? directory(of: id).homePath) ?? home).appending(RawPath(id))
  }

  package func layers() throws(StoreError) -> [String] {
    var names: [String] = []
    for home in ownHomes { names += try layerNames(in: open(home)).map(\.description) }
    return names
  }

  /// Every directory of a home but the reserved ones.
  func layerNames(in home: SharedDescriptor) throws(StoreError) -> [RawPath] {
    try naming("readdir", self.home) { () throws(Errno) -> [RawPath] in
      var names: [RawPath] = []
      for entry in try home.view.entries() where !Self.reserved.contains(entry.name) {
        var type = entry.type
        if type == .unknown { type = try home.view.status(of: entry.name).type }
        if type == .directory { names.append(entry.name) }
      }
      return names
    }
  }

  package func status() -> [(String, String)] {
    [
      ("Backing Filesystem", backingFileSystem), ("Supports d_type", "true"),
      ("Native Overlay Diff", "false"), ("Using metacopy", "false"),
      ("Supports shifting", "\(supportsShifting(IDMappings()))"), ("Supports volatile", "true"),
    ]
  }

  /// The peers' names of file systems, by the magic numbers of statfs(2).
  private var backingFileSystem: String {
    guard let home = try? open(home), let status = try? home.view.fileSystemStatus() else {
      return "<unknown>"
    }
    switch UInt32(truncatingIfNeeded: status.type) {
    case 0xef53: return "extfs"
    case 0x5846_5342: return "xfs"
    case 0x9123_683e: return "btrfs"
    case 0x0102_1994: return "tmpfs"
    case 0x794c_7630: return "overlayfs"
    case 0x2fc1_2fc1: return "zfs"
    case 0x6969: return "nfs"
    case 0x6573_5546: return "fuse"
    case 0xf2f5_2010: return "f2fs"
    default: return "<unknown>"
    }
  }
}

// MARK: - Making and removing

extension OverlayDriver {
  package func create(
    _ id: String, parent: String?, mappings: IDMappings, parentMappings: IDMappings,
    inImageStore: Bool
  ) throws(StoreError) {
    let path = inImageStore ? imageHome ?? home : home
    let opened = try open(path)
    try create(id, in: opened, at: path, parent: parent, mappings: mappings)
    guard parent != nil, mappings != parentMappings else { return }
    do throws(StoreError) {
      try fillOwnedAnew(id, in: opened, at: path, mappings, parentMappings)
    } catch {
      try? remove(id)
      throw error
    }
  }

  /// Makes a layer's directory in an open home; returns what `diff` has got.
  @discardableResult
  func create(
    _ id: String, in home: SharedDescriptor, at path: RawPath, parent: String?,
    mappings: IDMappings
  ) throws(StoreError) -> LayerDirectory.Root {
    if try ownDirectory(of: id).exists { try remove(id) }
    let layer = LayerDirectory(home: home, homePath: path, id: RawPath(id))
    guard let owner = mappings.toHost(uid: 0, gid: 0) else {
      throw StoreError(
        .invalidMappings, "no mapping for user and group 0: invalid mappings specified")
    }
    var lower: [RawPath] = []
    var root = LayerDirectory.Root(uid: owner.uid, gid: owner.gid)
    if let parent {
      let directory = try directory(of: parent)
      root = try self.root(of: directory)
      lower = [LayerFile.links.appending(try linkName(of: directory))] + (try directory.lowers())
    }
    do throws(StoreError) {
      let link = RawPath(Identifiers.newLink(randomBytes))
      try layer.make(link: link, lower: lower, root: root, owner: owner)
    } catch {
      try? remove(id)
      throw error
    }
    return root
  }

  /// The short name of a layer, repaired if it is lost.
  func linkName(of layer: LayerDirectory) throws(StoreError) -> RawPath {
    if let link = try layer.link() { return link }
    if owns(layer) { try recreateLinks(in: layer.home) }
    guard let link = try layer.link() else {
      throw StoreError(
        .damaged, "open \(layer.path.appending(LayerFile.link)): no such file or directory")
    }
    return link
  }

  package func remove(_ id: String) throws(StoreError) {
    let layer = try ownDirectory(of: id)
    let place = try? layer.additionalLayer()
    try removeLink(of: layer)
    try ensureRemoved(RawPath(id), in: layer.home.view, at: layer.path)
    // Last: a kill before leaves a reference too many, which costs room in the store's cache, and never
    // one too few, which would take a layer away that is in use.
    if let place { additionalLayerCalls.release(place) }
  }

  /// Removes the short link of a layer.
  ///
  /// A half-made layer may have its short link but no `link` file: then the link stays, harmless.
  func removeLink(of layer: LayerDirectory) throws(StoreError) {
    guard let link = try? layer.link() else { return }
    let name = LayerFile.links.appending(link)
    guard (try? layer.home.view.readLink(name)) == layer.linkTarget else { return }
    try naming("remove", layer.homePath.appending(name)) { () throws(Errno) in
      do throws(Errno) { try layer.home.view.unlink(name) } catch
        where error == .noSuchFileOrDirectory
      {}
    }
  }
}
