// What a graph driver is to the store. The protocol has parts, as the duties have: the life cycle of
// layer directories, content before and after that life (`LayerStaging`), mounting, and access to a
// layer's own content. The store calls a driver under its own locks (see StrataStore), but for what is
// staged, which needs none; a driver takes none and keeps no records.

package import StrataModel
package import StrataSystem

/// How whiteouts are stored in a layer's own tree (storage-format 6.5).
package enum WhiteoutForm: Sendable {
  /// As the plain `.wh.` files of the tar: a mount program reads them.
  case aufs
  /// Not at all: the tree is complete, and a whiteout removes what it names.
  case applied
}

/// Life cycle of the directories of layers.
package protocol LayerLifeCycle: Sendable {
  /// The name in directory names: `overlay`, `vfs`.
  var name: String { get }
  /// `<graph root>/<name>`.
  var home: RawPath { get }
  /// Makes the directory of a layer; what an earlier attempt left of it is removed first.
  /// `mappings` give the owner of its root. A parent may lie in an additional image store.
  /// `inImageStore`: in the home of the separate image store, if there is one. A driver that copies
  /// its parents owns the copy anew where `parentMappings` are others.
  ///
  /// When the next file is synced that is written to the same file system, such as that of the records,
  /// everything of the layer outlives a power cut.
  func create(
    _ id: String, parent: String?, mappings: IDMappings, parentMappings: IDMappings,
    inImageStore: Bool
  ) throws(StoreError)
  /// Removes the directory of a layer, unmounting what is still mounted in it. Nothing there is
  /// success.
  func remove(_ id: String) throws(StoreError)
  /// Removes what is left of a layer whose directory is gone or half gone, and that a removal would not
  /// find; called under the layers' write lock.
  func removeRemains(of id: String) throws(StoreError)
  /// Whether the home has a directory for the layer; additional stores count.
  func exists(_ id: String) -> Bool
  /// How what the driver itself keeps about the layers below one differs from these, which are all of
  /// them, nearest first: a line each.
  func stackProblems(of id: String, on parents: [String]) throws(StoreError) -> [String]
  /// Makes that anew; called under the layers' write lock.
  func restack(_ id: String, on parents: [String]) throws(StoreError)
  /// Where the directory of a layer is, or would be.
  func directoryPath(of id: String) -> RawPath
  /// Every directory of the home that stands for a layer, recorded or not.
  func layers() throws(StoreError) -> [String]
  /// Lines for `status`.
  func status() -> [(String, String)]
  /// What a shutdown undoes: the private bind mount of the home.
  func shutDown() throws(StoreError)
}

extension LayerLifeCycle {
  /// As above, in the driver's first home.
  package func create(_ id: String, parent: String?, mappings: IDMappings) throws(StoreError) {
    try create(
      id, parent: parent, mappings: mappings, parentMappings: mappings, inImageStore: false)
  }
}

/// What one mount is asked to be.
package struct DriverMountOptions: Sendable {
  /// Options in place of the configured `mountopt`, or nil for those.
  package var options: [String]?
  /// No upper directory: the layer itself is the uppermost lower one.
  package var readOnly: Bool
  /// The content need not survive a crash.
  package var volatile: Bool
  /// SELinux label of the mount.
  package var label: String
  /// Maps for the mount program to shift ids by.
  package var mappings: IDMappings

  package init(
    options: [String]? = nil, readOnly: Bool = false, volatile: Bool = false, label: String = "",
    mappings: IDMappings = IDMappings()
  ) {
    self.options = options
    self.readOnly = readOnly
    self.volatile = volatile
    self.label = label
    self.mappings = mappings
  }
}

/// Mounting of layers.
///
/// Callers hold the graph lock and the locks of layers and mount points.
package protocol LayerMounting: Sendable {
  /// Makes what every mount needs and a peer's shutdown may have taken away (storage-format 6.9).
  func prepareForMounts() throws(StoreError)
  /// Where `mount` would mount the layer.
  func mountPoint(of id: String) -> RawPath
  /// Mounts a layer, or finds it mounted, and returns where.
  func mount(_ id: String, _ options: DriverMountOptions) throws(StoreError) -> RawPath
  /// Unmounts a layer; one that is not mounted is success.
  func unmount(_ id: String) throws(StoreError)
  /// Whether something is mounted there now.
  func isMounted(at path: RawPath) -> Bool
  /// Whether mounts can shift ids by these maps, so that content need not be changed.
  func supportsShifting(_ mappings: IDMappings) -> Bool
}

/// Access to the content of layers.
package protocol LayerDiffing: Sendable {
  /// How `applyLayer` must treat whiteouts.
  var whiteoutForm: WhiteoutForm { get }
  /// Whether owners that cannot be set are left as they are.
  var ignoresOwnershipErrors: Bool { get }
  /// The directory that a tar is applied to.
  func openDiff(_ id: String) throws(StoreError) -> FileDescriptorOwner
  /// The directories where the bodies of a layer's files may be, the layer's own first.
  ///
  /// `asking` false leaves those below out that are of an additional layer store, which need not
  /// answer.
  func diffDirectories(_ id: String, asking: Bool) throws(StoreError) -> DiffDirectories
  /// The whole tree of a layer as a mount shows it, the only one of `own`; what is below it is there to
  /// be kept from removal.
  func openTree(_ id: String) throws(StoreError) -> DiffDirectories
  /// The sizes of all that is no directory in the layer's own tree, each inode once.
  func diffSize(_ id: String) throws(StoreError) -> Int64
}

extension LayerDiffing {
  /// As above, with all that lie below.
  package func diffDirectories(_ id: String) throws(StoreError) -> DiffDirectories {
    try diffDirectories(id, asking: true)
  }
}

/// A graph driver.
package typealias GraphDriver = AdditionalLayering & LayerDiffing & LayerLifeCycle & LayerMounting
  & LayerStaging

/// Open directories of a layer and of what lies below it, which stay readable when the layer is
/// deleted meanwhile: as long as they are open, Strata's own deletion does not empty them.
package struct DiffDirectories: Sendable {
  /// The layer's own directories: `diff`, then older ones of changed ID maps.
  package let own: [SharedDescriptor]
  /// Those of the layers below, uppermost first.
  package let lowers: [SharedDescriptor]

  package init(own: [SharedDescriptor], lowers: [SharedDescriptor]) {
    self.own = own
    self.lowers = lowers
  }

  /// All of them, uppermost first; valid while this value is kept.
  package var all: [FileDescriptor] { (own + lowers).map(\.view) }
}
