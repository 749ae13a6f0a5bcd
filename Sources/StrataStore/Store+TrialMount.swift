import StrataDrivers
public import StrataModel
import StrataPersistence
import StrataSystem

extension Store {
  /// Mounts a layer with this store's driver and options, writes and reads a file through the mount,
  /// and takes everything away again.
  ///
  /// The layer is one of a store of its own in a temporary directory of this one, so that no record
  /// and no lock of this store is touched; what a killed trial leaves is removed by the next command.
  ///
  /// - Throws: What a container would fail with, or `damaged` where a file does not come back.
  public func tryMount() throws(StoreError) {
    try requireWritable()
    let place = try driver.makeTemporaryDirectory(inImageStore: false)
    let folder = place.homePath.appending(place.path)
    var trial = configuration
    trial.graphRoot = folder.appending("root")
    trial.runRoot = folder.appending("run")
    trial.driver = driver.name
    trial.imageStore = nil
    trial.transient = false
    // Stores of others have nothing to do with it.
    trial.driverOptions.removeAll { option in
      let key = option.prefix { $0 != "=" }
      return ["imagestore", "additionalimagestore", "additionallayerstore"].contains {
        key == $0 || key.hasSuffix(".\($0)")
      }
    }
    do throws(StoreError) {
      try Self.mountOnce(Store(trial))
    } catch {
      // The first failure counts; what cannot be removed now is removed later.
      try? place.remove()
      throw error
    }
    try place.remove()
  }

  private static func mountOnce(_ store: Store) throws(StoreError) {
    let below = try store.createLayer(LayerCreation())
    let layer = try store.createLayer(LayerCreation(parent: below.id))
    let point = try store.mount(layer.id)
    let name = point.appending("trial")
    let text = Array("written through the mount".utf8)
    let read: [UInt8]
    do throws(StoreError) {
      try AtomicFile.write(text, to: name)
      read = try naming("read", name) { () throws(Errno) in
        try FileDescriptor.workingDirectory.contents(of: name)
      }
    } catch {
      _ = try? store.shutdown(force: true)
      throw error
    }
    try store.unmount(layer.id)
    try store.shutdown()
    let directory = try store.driver.openDiff(layer.id)
    let kept = try naming("read", name) { () throws(Errno) in
      try directory.view.contents(of: "trial")
    }
    guard read == text, kept == text else {
      throw StoreError(.damaged, "\(name): what was written through the mount does not come back")
    }
  }
}
