// The façade of a store: opening it, and what every operation needs. Each group of operations has a
// file of its own, `Store+….swift`.
//
// Order of locks (storage-format 3.5): storage.lock, layers, additional layers, images, additional
// images, containers, mount points. Doors of the stores are nested in this order and no other.

import StrataDrivers
public import StrataModel
import StrataPersistence
import StrataSystem

/// A store of layers, images and containers in one graph root, shared with containers/storage.
///
/// Every operation takes the locks that the peers take and sees what they have written; none keeps a
/// lock when it returns. Keys are ids, names or unique prefixes of ids and are resolved to ids first.
public final class Store: Sendable {
  /// Where it is.
  public let configuration: StoreConfiguration
  /// Whether the graph root lies on a file system that cannot be written: only looking works then.
  public let isReadOnly: Bool

  let driver: any GraphDriver
  let layerStore: LayerStore
  /// Where images are made: in the separate image store, if there is one.
  let imageStore: ImageStore
  /// The graph root's own images beside a separate image store: looked at and changed, not added to.
  let graphImages: ImageStore?
  let containerStore: ContainerStore
  /// Additional image stores, in the order of the options.
  let additional: AdditionalStores
  /// `storage.lock`: held through mounts and shutdowns, of which only one may go on at a time.
  let graphLock: LockFile

  /// Opens a store; missing directories are made unless the graph root is read-only.
  public init(_ configuration: StoreConfiguration) throws(StoreError) {
    guard !configuration.graphRoot.isEmpty, !configuration.runRoot.isEmpty else {
      throw StoreError(.incompleteOptions).wrapped("no storage runroot or graphroot specified")
    }
    let here = FileDescriptor.workingDirectory
    if let there = try? here.status(of: configuration.graphRoot, follow: true),
      there.type != .directory
    {
      throw StoreError(.usage, "graph root \(configuration.graphRoot) is no folder")
    }
    var patience = LockPatience(seconds: configuration.lockTimeout)
    if let tell = configuration.onWait {
      patience.onWait = { lock, holder in tell(lock, holder?.description) }
    }
    LockFile.wait(with: patience)
    let (root, run) = (configuration.graphRoot, configuration.runRoot)
    let name = try chooseDriver(configuration)
    (graphLock, isReadOnly) = try Self.openRoot(configuration)
    try Self.makeRunRoot(run, forReading: isReadOnly)
    let separate = try Self.separateImageStore(configuration)
    let stores: [RawPath]
    if name == "vfs" {
      let options = try VFSOptions(configuration.driverOptions)
      stores = options.imageStores
      driver = try VFSDriver(
        graphRoot: root, options: options, imageStore: separate, readOnly: isReadOnly)
    } else {
      let options = try OverlayOptions(configuration.driverOptions)
      stores = options.imageStores
      driver = try OverlayDriver(
        graphRoot: root, runRoot: run, options: options, imageStore: separate,
        readOnly: isReadOnly,
        additionalLayerCalls: AdditionalLayerCalls(
          timeout: configuration.additionalLayerTimeout
        ) { configuration.onWarning?($0) })
    }
    let driver = self.driver
    let remove: LayerStore.RemoveDriverFiles = { (layer) throws(StoreError) in
      try driver.remove(layer.id)
    }
    layerStore = try LayerStore(
      LayerStore.Locations(
        directory: root.appending(RawPath("\(name)-layers")),
        runDirectory: run.appending(RawPath("\(name)-layers")),
        imageStoreDirectory: separate?.appending(RawPath("\(name)-layers")),
        isTransient: configuration.transient),
      readOnly: isReadOnly, removeDriverFiles: remove)
    let images = RawPath("\(name)-images")
    imageStore = try ImageStore(
      directory: (separate ?? root).appending(images), readOnly: isReadOnly)
    graphImages =
      separate == nil
      ? nil : try ImageStore(directory: root.appending(images), readOnly: isReadOnly)
    containerStore = try ContainerStore(
      directory: root.appending(RawPath("\(name)-containers")),
      runDirectory: run.appending(RawPath("\(name)-containers")),
      isTransient: configuration.transient,
      readOnly: isReadOnly)
    additional = AdditionalStores(stores, driver: name, beside: root) {
      configuration.onWarning?($0)
    }
    self.configuration = configuration
    if !isReadOnly, configuration.removesLeftovers { removeLeftovers() }
  }

  /// Removes what processes that have died left outside the records: no lock is needed for it.
  ///
  /// What cannot be removed is for `gc` to tell of.
  private func removeLeftovers() {
    _ = try? driver.recoverTemporary(dryRun: false)
    _ = try? layerStore.recoverTemporary(dryRun: false)
    LayerLock.removeLeftovers(in: layerLocks)
  }

  /// Where the locks of layers are that are being made.
  var layerLocks: RawPath { configuration.runRoot.appending(RawPath("\(driver.name)-locks")) }

  /// The separate image store, which must be another directory than the graph root.
  private static func separateImageStore(_ configuration: StoreConfiguration) throws(StoreError)
    -> RawPath?
  {
    guard let path = configuration.imageStore, !path.isEmpty else { return nil }
    if path.cleaned == configuration.graphRoot.cleaned {
      throw StoreError(
        .usage, "imagestore \(path) must either be not set or be a different than graphroot")
    }
    return path
  }

  /// Makes the run root; a store that is only read does without.
  private static func makeRunRoot(_ path: RawPath, forReading: Bool) throws(StoreError) {
    do throws(StoreError) {
      try naming("mkdir", path) { () throws(Errno) in
        try FileDescriptor.workingDirectory.makeDirectories(path, mode: 0o700)
      }
    } catch {
      if !forReading || error.errno != .readOnlyFileSystem { throw error }
    }
  }

  /// Makes the graph root and opens the graph lock; true for a graph root that cannot be written.
  private static func openRoot(_ configuration: StoreConfiguration) throws(StoreError) -> (
    LockFile, Bool
  ) {
    let lock = configuration.graphRoot.appending("storage.lock")
    do throws(StoreError) {
      try naming("mkdir", configuration.graphRoot) { () throws(Errno) in
        try FileDescriptor.workingDirectory.makeDirectories(configuration.graphRoot, mode: 0o700)
      }
      // The peers make this one at every start; it is taken for automatic user namespaces alone.
      _ = try LockFile.open(configuration.graphRoot.appending("userns.lock"))
      return (try LockFile.open(lock), false)
    } catch  where error.errno == .readOnlyFileSystem {
      return (try LockFile.open(lock, readOnly: true), true)
    }
  }

  /// Throws unless the graph root can be written.
  package func requireWritable() throws(StoreError) {
    if isReadOnly {
      throw StoreError(.storeIsReadOnly).wrapped(
        "graph root \(configuration.graphRoot) is on a read-only file system; "
          + "make it writable or choose another graph root")
    }
  }

  /// Tells of something that went wrong beside the error that is thrown.
  func warn(_ text: String) { configuration.onWarning?(text) }
}

/// The driver's name: overlay unless vfs is asked for.
///
/// A root that another driver has filled is refused, since a second store beside the first would
/// look empty.
private func chooseDriver(_ configuration: StoreConfiguration) throws(StoreError) -> String {
  let root = configuration.graphRoot
  let wanted = configuration.driver == "overlay2" ? "overlay" : configuration.driver
  if wanted == "vfs" { return wanted }
  guard wanted.isEmpty || wanted == "overlay" else {
    throw StoreError(
      .driverNotSupported, "failed to GetDriver graph \(wanted) \(root): driver not supported")
  }
  let here = FileDescriptor.workingDirectory
  if (try? here.exists(root.appending("overlay"))) == true { return "overlay" }
  for other in ["vfs", "btrfs", "zfs", "aufs", "devicemapper"] {
    if (try? here.exists(root.appending(RawPath("\(other)-layers")))) == true {
      throw StoreError(
        .driverNotSupported,
        "graph root \(root) belongs to the driver \(other), not to overlay: choose another graph root"
      )
    }
  }
  return "overlay"
}

/// Runs a step on streams and turns its error into one of the store.
func streaming<Result: ~Copyable>(_ body: () throws(StreamError) -> Result) throws(StoreError)
  -> Result
{
  do throws(StreamError) {
    return try body()
  } catch {
    throw StoreError(error)
  }
}
