import StrataDrivers
public import StrataModel
import StrataPersistence
public import StrataSystem

extension Store {
  /// Renames files of records that do not parse, so that the rest of the store works again.
  ///
  /// Nothing else ever touches such a file: every other operation stops with its path and offset.
  ///
  /// - Returns: The new path of each, and what is wrong with it.
  public func setAsideDamagedFiles() throws(StoreError) -> [(path: RawPath, reason: String)] {
    try requireWritable()
    var moved = try layerStore.core.setAsideDamagedFiles()
    for store in ownImageStores { moved += try store.core.setAsideDamagedFiles() }
    return try moved + containerStore.core.setAsideDamagedFiles()
  }
}

extension RecordStore {
  fileprivate func setAsideDamagedFiles() throws(StoreError) -> [(path: RawPath, reason: String)] {
    let holds = try locks.exclusive()
    var moved: [(path: RawPath, reason: String)] = []
    for file in files {
      do throws(StoreError) {
        _ = try RecordTable<Record>.load(files: [file])
        if try emptyFile() == file.path {
          throw StoreError(.damaged, "\(file.path): the file is empty")
        }
      } catch {
        let time = FileTime.now
        let name = "\(file.path.lastComponent).damaged-\(time.seconds)"
        let path = file.path.parent.appending(RawPath(name))
        let here = FileDescriptor.workingDirectory
        if var rest = try? RecordTable<Record>.load(files: [file], leavingOutOddIDs: true),
          rest.isChanged
        {
          // Records that lead out of the store go, all others stay.
          try naming("link", file.path) { () throws(Errno) in
            try here.link(file.path, to: here, path)
          }
          try rest.save()
        } else {
          do throws(Errno) { try here.rename(file.path, to: here, path) } catch let failure {
            throw StoreError(failure, "rename \(file.path) \(path)")
          }
        }
        moved.append((path, error.message))
      }
    }
    // Others that have the old state in memory must load again.
    if !moved.isEmpty { _ = try holds.recordWrite() }
    holds.end()
    return moved
  }
}
