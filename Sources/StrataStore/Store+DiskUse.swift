import StrataDrivers
public import StrataModel
import StrataPersistence
import StrataSystem

extension Store {
  /// The bytes that a layer takes on the disk: its folder, its tar-split file and its data items.
  ///
  /// As the file system counts blocks: each file once whatever its names, holes and shared content of
  /// other places not at all, nothing of what is mounted in the folder, and nothing of a layer whose
  /// content is in an additional layer store.
  public func diskUse(ofLayer id: String) throws(StoreError) -> Int64 {
    guard let (record, store) = try findLayer(id) else { throw StoreError(.layerUnknown) }
    return Self.diskUse(of: [
      driver.directoryPath(of: record.id), store.tarSplitPath(record.id),
      store.data(record.id).path,
    ])
  }

  /// As above, of what a container has beside its layer: data items and its two directories.
  public func diskUse(ofContainer key: String) throws(StoreError) -> Int64 {
    let record = try container(key)
    return Self.diskUse(of: [containerPath(record.id), containerRunPath(record.id)])
  }

  /// As above, of the data items of an image.
  public func diskUse(ofImage key: String) throws(StoreError) -> Int64 {
    guard let (record, store) = try findImage(key) else { throw StoreError(.imageUnknown) }
    return Self.diskUse(of: [store.directory.appending(RawPath(record.id))])
  }

  private static func diskUse(of paths: [RawPath]) -> Int64 {
    var seen: Set<UInt64> = []
    return paths.reduce(0) { total, path in
      guard let status = try? FileDescriptor.workingDirectory.status(of: path) else { return total }
      return total + used(path, of: .workingDirectory, status, on: status.device, &seen)
    }
  }

  /// What cannot be looked at counts nothing: others remove things at any time.
  private static func used(
    _ name: RawPath, of directory: FileDescriptor, _ status: FileStatus, on device: DeviceNumber,
    _ seen: inout Set<UInt64>
  ) -> Int64 {
    guard status.device == device else { return 0 }
    if status.type != .directory, status.linkCount > 1, !seen.insert(status.inode).inserted {
      return 0
    }
    // Of 512 bytes each, whatever the file system's are (stat(2)).
    var total = Int64(clamping: status.blocks) * 512
    guard status.type == .directory,
      let opened = try? directory.open(name, [.readOnly, .directory, .noFollow]),
      let entries = try? opened.view.entries()
    else { return total }
    for entry in entries {
      guard let status = try? opened.view.status(of: entry.name) else { continue }
      total += used(entry.name, of: opened.view, status, on: device, &seen)
    }
    return total
  }
}
