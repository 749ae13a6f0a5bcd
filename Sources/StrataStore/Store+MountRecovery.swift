import StrataDrivers
public import StrataModel
import StrataPersistence
public import StrataSystem

extension Store {
  /// Renames a mountpoints.json that does not parse, and writes one with what is mounted as the kernel
  /// says, each mount counted once: who else used it is not known any more.
  ///
  /// Without that file nothing can be mounted, unmounted or deleted, and it must not simply go while
  /// something is mounted: the mounts would stay for ever.
  ///
  /// - Returns: The new path of the file, what is wrong with it, and how many mounts were found; nil where
  ///   the file is as it should be.
  public func recoverMountpoints() throws(StoreError) -> (
    path: RawPath, reason: String, mounts: Int
  )? {
    try requireWritable()
    guard let mountpoints = layerStore.mountpoints else { return nil }
    // Below the layers' lock, as all who change mounts.
    let holds = try layerStore.core.locks.exclusive()
    var count = 0
    let moved = try mountpoints.replaceDamaged { () throws(StoreError) in
      let found = try mountedLayers()
      count = found.count
      return found
    }
    holds.end()
    return moved.map { ($0.path, $0.reason, count) }
  }

  /// The driver's layers that are mounted where it mounts them, in the sight of this process.
  private func mountedLayers() throws(StoreError) -> [MountRecord] {
    var ids = try driver.layers()
    try additional.forEach { store throws(StoreError) in
      ids += try store.layers.reading { state in state.layers.records.map(\.id) }
    }
    return ids.compactMap { id in
      let point = driver.mountPoint(of: id)
      // Of a driver that mounts nothing every layer is there, and none is counted.
      guard (try? isMountPoint(point)) == true, driver.isMounted(at: point) else { return nil }
      return MountRecord(id: id, path: point.description, count: 1)
    }
  }
}
