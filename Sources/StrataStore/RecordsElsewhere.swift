import StrataDrivers
import StrataModel
import StrataPersistence
import StrataSystem

/// The volatile records that this store does not read, since others keep them in the other of two places:
/// a transient store in the run root, any other in the graph root (storage-format 4.15).
///
/// Their layers lie among ours and stand on ours. Peers do not look there, and delete what they use.
struct RecordsElsewhere {
  let layers: RecordTable<LayerRecord>
  let containers: RecordTable<ContainerRecord>
}

extension Store {
  /// Reads them; called under the layers' lock, which is one for both places.
  ///
  /// Locks: as `withContainersElsewhere`.
  func recordsElsewhere() throws(StoreError) -> RecordsElsewhere {
    let file = RecordFile(path: folderElsewhere("layers").appending("volatile-layers.json"))
    let layers = try RecordTable<LayerRecord>.load(files: [file])
    return try withContainersElsewhere { (containers) throws(StoreError) in
      RecordsElsewhere(layers: layers, containers: containers)
    }
  }

  /// Runs `body` with the containers of the other place, none of which comes or goes meanwhile.
  ///
  /// Locks: containers.lock of that place, shared and after all others: who holds it for writing waits
  /// for none of ours.
  func withContainersElsewhere<Result: ~Copyable>(
    _ body: (RecordTable<ContainerRecord>) throws(StoreError) -> Result
  ) throws(StoreError) -> Result {
    let folder = folderElsewhere("containers")
    let file = RecordFile(path: folder.appending("volatile-containers.json"))
    let lock = folder.appending("containers.lock")
    guard (try? FileDescriptor.workingDirectory.exists(lock)) == true else {
      return try body(RecordTable(files: [file]))
    }
    let hold = try LockFile.open(lock, readOnly: true).shared()
    let result = try body(RecordTable.load(files: [file]))
    _ = consume hold
    return result
  }

  private func folderElsewhere(_ kind: String) -> RawPath {
    let place = configuration.transient ? configuration.graphRoot : configuration.runRoot
    return place.appending(RawPath("\(driver.name)-\(kind)"))
  }
}
