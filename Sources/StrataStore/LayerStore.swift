package import StrataModel
package import StrataPersistence
package import StrataSystem
import Synchronization

/// The layers of a graph root: `<driver>-layers/layers.json`, its volatile companion, and the mounts.
///
/// `reading` and `writing` are the only doors. Lock order: storage-format 3.5; inside a door of this
/// store those of images and containers may be opened, in that order, never the other way round.
package final class LayerStore: Sendable {
  /// Where the files lie.
  package struct Locations: Sendable {
    /// `<graph root>/<driver>-layers`.
    package var directory: RawPath
    /// `<run root>/<driver>-layers`; nil for an additional image store, which knows no mounts.
    package var runDirectory: RawPath?
    /// `<image store>/<driver>-layers` where layers of images are kept apart.
    package var imageStoreDirectory: RawPath?
    /// Whether volatile records live in the run root.
    package var isTransient: Bool
    /// Whether volatile records go to the volatile file, which 1.43 and 1.44 do not see.
    package var writesVolatileFile: Bool

    package init(
      directory: RawPath, runDirectory: RawPath?, imageStoreDirectory: RawPath? = nil,
      isTransient: Bool = false, writesVolatileFile: Bool? = nil
    ) {
      self.directory = directory
      self.runDirectory = runDirectory
      self.imageStoreDirectory = imageStoreDirectory
      self.isTransient = isTransient
      self.writesVolatileFile = writesVolatileFile ?? isTransient
    }
  }

  /// Removes what the driver keeps of a layer: its mount, its directory, its link.
  ///
  /// Missing pieces are no error. Called under the write lock for layers that a killed process left
  /// incomplete.
  package typealias RemoveDriverFiles = @Sendable (LayerRecord) throws(StoreError) -> Void

  /// Where the files lie.
  package let locations: Locations
  let core: RecordStore<LayerRecord>
  let mountpoints: MountpointsFile?
  let mountState = Mutex(MountpointsFile.State())

  /// Opens the lock files, making them and their directory where they are missing.
  ///
  /// Loads nothing.
  ///
  /// - Parameters:
  ///   - locations: Where the files lie.
  ///   - readOnly: Whether this is an additional image store: never written, incomplete layers are
  ///     tolerated, no mounts.
  ///   - removeDriverFiles: The driver's part of a removal.
  /// - Throws: The kernel's refusal to open or make a lock file.
  package init(
    _ locations: Locations, readOnly: Bool = false,
    removeDriverFiles: @escaping RemoveDriverFiles
  ) throws(StoreError) {
    self.locations = locations
    let first = try LockFile.open(locations.directory.appending("layers.lock"), readOnly: readOnly)
    var second: LockFile?
    if let directory = locations.imageStoreDirectory {
      second = try LockFile.open(directory.appending("layers.lock"), readOnly: readOnly)
      if second === first { second = nil }
    }
    if let directory = locations.runDirectory, !readOnly {
      mountpoints = try MountpointsFile(directory: directory)
    } else {
      mountpoints = nil
    }
    core = RecordStore(
      locks: LockPair(first: first, second: second), files: Self.files(locations),
      isReadOnly: readOnly, rules: Self.rules(locations, removeDriverFiles))
  }

  /// Whether it is an additional image store.
  package var isReadOnly: Bool { core.isReadOnly }

  /// `layers.json`, the image store's, and the volatile one: the order in which ids win.
  private static func files(_ locations: Locations) -> [RecordFile] {
    var files = [RecordFile(path: locations.directory.appending("layers.json"))]
    if let directory = locations.imageStoreDirectory {
      files.append(RecordFile(path: directory.appending("layers.json")))
    }
    let volatile =
      locations.isTransient
      ? locations.runDirectory ?? locations.directory : locations.directory
    files.append(
      RecordFile(path: volatile.appending("volatile-layers.json"), synchronizes: false))
    return files
  }

  /// The number of the file that a new record goes to.
  func fileNumber(volatile: Bool, inImageStore: Bool) -> Int {
    let last = locations.imageStoreDirectory == nil ? 1 : 2
    if volatile, locations.writesVolatileFile { return last }
    return inImageStore && locations.imageStoreDirectory != nil ? 1 : 0
  }

  private static func rules(
    _ locations: Locations, _ removeDriverFiles: @escaping RemoveDriverFiles
  ) -> RecordStoreRules<LayerRecord> {
    RecordStoreRules(
      repairAttempts: 3, attemptsPrefix: "(even after 3 cleanup attempts:)",
      duplicateNames: StoreError(.duplicateLayerNames)
    ) { table in
      if table.duplicateNameCount > 0 { return StoreError(.duplicateLayerNames) }
      guard let layer = table.incompleteRecords.first else { return nil }
      return StoreError(
        .damaged, "an incomplete layer exists and can't be cleaned up: \(layer.id)")
    } repair: { table in
      var failure: StoreError?
      for layer in table.incompleteRecords.reversed() {
        do throws(StoreError) {
          try removeDriverFiles(layer)
          try removeOwnFiles(of: layer.id, locations)
          table.remove(id: layer.id)
        } catch {
          failure = failure ?? error.wrapped("deleting layer \(quoted(layer.id))")
        }
      }
      return failure
    }
  }

  /// Removes the tar-split file and the data items of a layer, which lie beside the records.
  private static func removeOwnFiles(of id: String, _ locations: Locations) throws(StoreError) {
    let tarSplit = locations.directory.appending(RawPath(id + tarSplitSuffix))
    do throws(Errno) {
      try FileDescriptor.workingDirectory.unlink(tarSplit)
    } catch {
      if error != .noSuchFileOrDirectory { throw StoreError(error, "unlink \(tarSplit)") }
    }
    try BigDataDirectory(path: locations.directory.appending(RawPath(id))).removeAll()
  }

  /// As above, for a deletion that is not a repair.
  package func removeOwnFiles(of id: String) throws(StoreError) {
    try Self.removeOwnFiles(of: id, locations)
  }

  /// `<ID>.tar-split.gz` of a layer.
  package func tarSplitPath(_ id: String) -> RawPath {
    locations.directory.appending(RawPath(id + Self.tarSplitSuffix))
  }

  /// A directory for tar-split files that are written without a lock, beside the records.
  package func makeTemporaryDirectory() throws(StoreError) -> TemporaryDirectory {
    try TemporaryDirectory(in: Self.temporary, of: openDirectory(), at: locations.directory)
  }

  /// Removes what processes that have died left in such directories, or only finds it.
  package func recoverTemporary(dryRun: Bool) throws(StoreError) -> [RawPath] {
    let directory = try openDirectory()
    return try TemporaryDirectory.recover(
      in: Self.temporary, of: directory.view, at: locations.directory, dryRun: dryRun)
  }

  private func openDirectory() throws(StoreError) -> SharedDescriptor {
    do throws(Errno) {
      return SharedDescriptor(
        try FileDescriptor.workingDirectory.open(locations.directory, [.readOnly, .directory]))
    } catch {
      throw StoreError(error, "open \(locations.directory)")
    }
  }

  private static let temporary: RawPath = "tmp"
  static let tarSplitSuffix = ".tar-split.gz"

  /// The data items of a layer.
  package func data(_ id: String) -> BigDataDirectory {
    BigDataDirectory(path: locations.directory.appending(RawPath(id)))
  }
}
