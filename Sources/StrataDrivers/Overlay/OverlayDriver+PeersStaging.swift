package import StrataModel
import StrataPersistence
package import StrataSystem

extension OverlayDriver {
  /// The peers' directories for partial pulls, `staging/<name>`; Strata puts nothing there.
  ///
  /// Since 1.54 each has a lock file that its maker holds (storage-format 3.8).
  ///
  /// As with their own cleanup one counts as left whose lock nobody holds; of older versions, which
  /// know no lock, every one.
  package func peersStaging(dryRun: Bool) throws(StoreError) -> [RawPath] {
    var found: [RawPath] = []
    for path in ownHomes {
      let home = try open(path)
      for name in try stagingNames(of: home, at: path) {
        let entry = RawPath("staging").appending(name)
        guard let lock = try freeLock(of: entry, in: home, at: path, dryRun: dryRun) else {
          continue
        }
        found.append(path.appending(entry))
        if !dryRun { try ensureRemoved(entry, in: home.view, at: path.appending(entry)) }
        _ = consume lock
      }
    }
    return found
  }

  private func stagingNames(of home: SharedDescriptor, at path: RawPath) throws(StoreError)
    -> [RawPath]
  {
    try naming("readdir", path.appending("staging")) { () throws(Errno) in
      do throws(Errno) {
        let folder = try home.view.open("staging", [.readOnly, .directory, .noFollow])
        var names: [RawPath] = []
        for entry in try folder.view.entries()
        where try folder.view.status(of: entry.name).type == .directory {
          names.append(entry.name)
        }
        return names.sorted()
      } catch  where error == .noSuchFileOrDirectory {
        return []
      }
    }
  }

  /// The lock of a directory that nobody uses; nil where its maker lives.
  ///
  /// A look alone makes no file: what has none is free.
  private func freeLock(
    of entry: RawPath, in home: SharedDescriptor, at path: RawPath, dryRun: Bool
  ) throws(StoreError) -> SharedDescriptor? {
    let name = entry.appending("staging.lock")
    return try naming("lock", path.appending(name)) { () throws(Errno) in
      do throws(Errno) {
        let flags: OpenFlags = dryRun ? [.readWrite] : [.readWrite, .create]
        let file = try home.view.open(name, flags, mode: 0o644)
        guard try file.view.tryLock(.exclusive) else { return nil }
        return SharedDescriptor(file)
      } catch  where error == .noSuchFileOrDirectory && dryRun {
        return home
      }
    }
  }
}
