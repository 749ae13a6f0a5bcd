// The vfs driver: every layer is a complete tree, a copy of its parent's with its own changes applied
// (storage-format 1.5, 6.11). Nothing is ever mounted, so it works where nothing else does, at the
// price of the disk.

package import StrataModel
import StrataPersistence
package import StrataSystem

/// The vfs driver on one graph root and its additional image stores.
package final class VFSDriver: GraphDriver {
  package let name = "vfs"
  package let home: RawPath
  let imageHome: RawPath?
  private let options: VFSOptions
  // Additional layer stores hold layers in a form that only a mount program shows.
  package let additionalLayerStores: [AdditionalLayerStore] = []
  package let additionalLayerCalls = AdditionalLayerCalls()

  package let whiteoutForm = WhiteoutForm.applied
  package var ignoresOwnershipErrors: Bool { options.ignoresOwnershipErrors }
  /// The folder of a home that has the layers.
  static let layersFolder: RawPath = "dir"

  /// Opens the driver and makes its directories unless the root is read-only.
  package init(
    graphRoot: RawPath, options: VFSOptions, imageStore: RawPath? = nil, readOnly: Bool = false
  ) throws(StoreError) {
    home = graphRoot.appending("vfs")
    imageHome = imageStore?.appending("vfs")
    self.options = options
    if readOnly { return }
    for home in ownHomes {
      let path = home.appending(Self.layersFolder)
      try naming("mkdir", path) { () throws(Errno) in
        try FileDescriptor.workingDirectory.makeDirectories(path, mode: 0o700)
      }
    }
  }

  var ownHomes: [RawPath] { [home] + [imageHome].compactMap { $0 } }

  static func path(_ id: String, in home: RawPath) -> RawPath {
    home.appending(layersFolder).appending(RawPath(id))
  }

  static func isThere(_ path: RawPath) -> Bool {
    (try? FileDescriptor.workingDirectory.status(of: path).type) == .directory
  }

  /// The directory of a layer, in an own home or that of an additional store.
  private func existing(_ id: String) -> RawPath? {
    let homes = ownHomes + options.imageStores.map { $0.appending("vfs") }
    return homes.map { Self.path(id, in: $0) }.first(where: Self.isThere)
  }

  func open(_ id: String) throws(StoreError) -> FileDescriptorOwner {
    guard let path = existing(id) else {
      throw StoreError(
        .layerUnknown, "stat \(Self.path(id, in: home)): no such file or directory")
    }
    return try naming("open", path) { () throws(Errno) in
      try FileDescriptor.workingDirectory.open(path, [.readOnly, .directory, .noFollow])
    }
  }
}

// MARK: - Life cycle

extension VFSDriver {
  package func create(
    _ id: String, parent: String?, mappings: IDMappings, parentMappings: IDMappings,
    inImageStore: Bool
  ) throws(StoreError) {
    try remove(id)
    let path = Self.path(id, in: inImageStore ? imageHome ?? home : home)
    let base = try parent.map { id throws(StoreError) in SharedDescriptor(try open(id)) }
    do throws(StoreError) {
      let tree = try Self.makeTree(
        path, in: .workingDirectory, path, copying: base, mappings, parentMappings)
      // What was copied is on the disk before any record says that it is there.
      if base != nil {
        try naming("syncfs", path) { () throws(Errno) in try tree.view.synchronizeFileSystem() }
      }
    } catch {
      try? remove(id)
      throw error
    }
  }

  /// Makes the tree of a layer, with what its parent's holds.
  static func makeTree(
    _ name: RawPath, in home: FileDescriptor, _ path: RawPath, copying base: SharedDescriptor?,
    _ mappings: IDMappings, _ parentMappings: IDMappings
  ) throws(StoreError) -> SharedDescriptor {
    guard let owner = mappings.toHost(uid: 0, gid: 0) else {
      throw StoreError(
        .invalidMappings, "no mapping for user and group 0: invalid mappings specified")
    }
    let directory = try naming("mkdir", path) { () throws(Errno) in
      try home.makeDirectory(name, mode: 0o555)
      let directory = SharedDescriptor(try home.open(name, [.readOnly, .directory, .noFollow]))
      try directory.view.setOwner(uid: owner.uid, gid: owner.gid)
      try directory.view.setMode(0o555)
      return directory
    }
    guard let base else { return directory }
    var copy = TreeCopy(OwnerShift(from: parentMappings, to: mappings, overflows: true))
    try copy.copyContents(of: base.view, to: directory, path)
    return directory
  }

  // Each layer has all of the content, so nothing but the records says what it stands on.
  package func stackProblems(of id: String, on parents: [String]) -> [String] { [] }

  package func restack(_ id: String, on parents: [String]) {}

  package func removeRemains(of id: String) {}

  package func remove(_ id: String) throws(StoreError) {
    for home in ownHomes {
      let path = Self.path(id, in: home)
      if Self.isThere(path) { try ensureRemoved(path, in: .workingDirectory, at: path) }
    }
  }

  package func exists(_ id: String) -> Bool { existing(id) != nil }

  package func directoryPath(of id: String) -> RawPath {
    existing(id) ?? Self.path(id, in: home)
  }

  package func layers() throws(StoreError) -> [String] {
    var names: [String] = []
    for home in ownHomes {
      let path = home.appending(Self.layersFolder)
      names += try naming("readdir", path) { () throws(Errno) in
        do throws(Errno) {
          let opened = try FileDescriptor.workingDirectory.open(path, [.readOnly, .directory])
          return try opened.view.entries().filter { $0.type == .directory || $0.type == .unknown }
            .map(\.name.description)
        } catch  where error == .noSuchFileOrDirectory {
          return []
        }
      }
    }
    return names
  }

  package func status() -> [(String, String)] { [] }

  package func shutDown() throws(StoreError) {}
}

// MARK: - Mounting, which is nothing but naming the directory

extension VFSDriver {
  package func prepareForMounts() throws(StoreError) {}

  package func mountPoint(of id: String) -> RawPath { directoryPath(of: id) }

  package func mount(_ id: String, _ options: DriverMountOptions) throws(StoreError) -> RawPath {
    if let options = options.options, options.contains(where: { $0 != "ro" && !$0.isEmpty }) {
      throw StoreError(.usage, "vfs driver does not support mount options")
    }
    guard let path = existing(id) else {
      throw StoreError(
        .layerUnknown, "stat \(Self.path(id, in: home)): no such file or directory")
    }
    return path
  }

  package func unmount(_ id: String) throws(StoreError) {}

  package func isMounted(at path: RawPath) -> Bool { Self.isThere(path) }

  package func supportsShifting(_ mappings: IDMappings) -> Bool { false }
}

// MARK: - Content

extension VFSDriver {
  package func additionalLayer(of id: String) -> AdditionalLayerPlace? { nil }

  package func create(
    _ id: String, as place: AdditionalLayerPlace, parent: String?, inImageStore: Bool
  ) throws(StoreError) {
    throw StoreError(.notSupported).wrapped("vfs: layers of additional layer stores")
  }

  package func openDiff(_ id: String) throws(StoreError) -> FileDescriptorOwner { try open(id) }

  package func diffDirectories(_ id: String, asking: Bool) throws(StoreError) -> DiffDirectories {
    DiffDirectories(own: [keptFromRemoval(try open(id))], lowers: [])
  }

  package func openTree(_ id: String) throws(StoreError) -> DiffDirectories {
    try diffDirectories(id)
  }

  package func diffSize(_ id: String) throws(StoreError) -> Int64 {
    throw StoreError(.notSupported).wrapped("vfs: the size of changes is that of a comparison")
  }
}

/// The options of the vfs driver (storage-format 6.1).
package struct VFSOptions: Sendable {
  /// Graph roots of additional image stores.
  package var imageStores: [RawPath] = []
  /// Whether owners that cannot be set are left as they are.
  package var ignoresOwnershipErrors = false

  /// Reads `key=value` texts.
  package init(_ options: [String]) throws(StoreError) {
    for option in options {
      guard let equals = option.firstIndex(of: "=") else {
        throw StoreError(.usage, "unable to parse key/value option: \(option)")
      }
      let value = String(option[option.index(after: equals)...])
      var key = option[..<equals].lowercased()
      for prefix in ["vfs.", "."] where key.hasPrefix(prefix) {
        key = String(key.dropFirst(prefix.count))
        break
      }
      switch key {
      case "imagestore":
        imageStores += value.split(separator: ",").map { RawPath(String($0)) }
      case "ignore_chown_errors": ignoresOwnershipErrors = value == "true" || value == "1"
      case "mountopt": throw StoreError(.usage, "vfs driver does not support mount options")
      default: throw StoreError(.usage, "vfs driver does not support \(key) options")
      }
    }
  }
}
