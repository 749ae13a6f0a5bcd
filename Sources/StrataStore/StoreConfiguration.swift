public import StrataModel
public import StrataSystem

/// Where a store is and how it works.
public struct StoreConfiguration: Sendable {
  /// The persistent directory: layers, images, containers.
  public var graphRoot: RawPath
  /// The directory that a reboot empties: mounts and locks.
  public var runRoot: RawPath
  /// The graph driver; empty for the one whose directories the graph root has, else overlay.
  public var driver: String
  /// `key=value` options of the driver, as `overlay.mount_program=/usr/bin/fuse-overlayfs`.
  public var driverOptions: [String]
  /// The ID maps of layers that neither say their own nor have a parent.
  public var mappings: IDMappings
  /// Whether containers live in the run root.
  public var transient: Bool
  /// A separate place for read-only layers and images.
  public var imageStore: RawPath?
  /// Whether volatile containers are mounted as ordinary ones.
  public var disablesVolatile: Bool
  /// After so many seconds the wait for a lock is the error `locked`; nil: it is waited for as long as
  /// it takes, as the peers do.
  public var lockTimeout: Int?
  /// How many seconds an additional layer store may take for an answer; the next bytes of a blob may
  /// take twelve times as long.
  public var additionalLayerTimeout = 5
  /// Whether content is brought to the disk (syncfs) before a layer is called complete.
  ///
  /// Without it a power cut can leave complete layers with empty files: for graph roots that can be
  /// thrown away.
  public var synchronizesContent = true
  /// Whether opening the store removes the temporary directories of processes that have died, which
  /// are found without any lock.
  public var removesLeftovers = true
  /// Called when a lock has been waited for longer than a second, with the process that holds it where
  /// that can be found out, as in `podman (process 1234)`.
  ///
  /// From any thread. Both are for the whole process, and the last store that is opened decides.
  public var onWait: (@Sendable (_ lock: RawPath, _ holder: String?) -> Void)?

  /// Called with one line on what went wrong beside the error that is thrown.
  ///
  /// From any thread.
  public var onWarning: (@Sendable (_ text: String) -> Void)?

  /// A store of this driver in these directories, which are made if they are missing.
  public init(
    graphRoot: RawPath, runRoot: RawPath, driver: String = "overlay", driverOptions: [String] = [],
    mappings: IDMappings = IDMappings(), transient: Bool = false, imageStore: RawPath? = nil,
    disablesVolatile: Bool = false, lockTimeout: Int? = nil,
    onWait: (@Sendable (RawPath, String?) -> Void)? = nil,
    onWarning: (@Sendable (String) -> Void)? = nil
  ) {
    self.graphRoot = graphRoot
    self.runRoot = runRoot
    self.driver = driver
    self.driverOptions = driverOptions
    self.mappings = mappings
    self.transient = transient
    self.imageStore = imageStore
    self.disablesVolatile = disablesVolatile
    self.lockTimeout = lockTimeout
    self.onWait = onWait
    self.onWarning = onWarning
  }
}

/// The three kinds of records, in the order in which a name is looked for.
public enum RecordKind: String, Sendable, CaseIterable {
  /// Layers, searched first.
  case layer
  /// Images.
  case image
  /// Containers.
  case container
}
