import StrataFUSE
import StrataSystem

/// Mounts the store and answers until it is unmounted or a signal ends it; the exit status.
///
/// One daemon a state directory: its lock is held meanwhile. A mount that a killed daemon has left at
/// the mount point is taken away first, since every podman command fails on one (lazy-layers 1.1).
/// `makeSource` may start threads.
package func serveStore(
  _ options: DaemonOptions, _ makeSource: () throws -> any LayerSource
) throws -> Int32 {
  SignalWatcher.blockSignals()
  let source = try makeSource()
  let lock = try lockState(options.root)
  defer { withExtendedLifetime(lock) {} }
  detachDeadMount(options.mountPoint)
  let log = StoreLog(level: options.level)
  let store = try LazyStore(
    state: options.root, source: source, generation: monotonicNanoseconds(),
    options: LazyOptions(options), log: log)
  let mount = try Mount(MountOptions(options))
  do throws(Errno) {
    let session = try Session(StoreFileSystem(store), device: mount.device)
    let signals = try SignalWatcher(mount) {}
    log.write("\(mount.path) is mounted", .info)
    defer { store.close() }
    try session.serve()
    log.write(
      "\(mount.path) is unmounted\(signals.wasAskedToEnd ? " after a signal" : "")", .info)
    return 0
  } catch {
    mount.unmount()
    throw LazyError("cannot serve \(mount.path): \(error)")
  }
}

private func lockState(_ path: RawPath) throws(LazyError) -> FileDescriptorOwner {
  let here = FileDescriptor.workingDirectory
  do throws(Errno) {
    try here.makeDirectories(path, mode: 0o700)
    let file = try here.open(path.appending("lock"), [.readWrite, .create], mode: 0o600)
    if try file.view.tryLock(.exclusive) { return file }
  } catch { throw LazyError("state directory \(path): \(error)") }
  throw LazyError("state directory \(path): another strata-lazy uses it")
}

private func detachDeadMount(_ path: RawPath) {
  do throws(Errno) {
    _ = try FileDescriptor.workingDirectory.status(of: path)
  } catch {
    if error == .notConnected { try? StrataSystem.unmount(path, detach: true) }
  }
}

extension LazyOptions {
  fileprivate init(_ options: DaemonOptions) {
    self = options.bounds
    backgroundFetch = options.backgroundFetch
    trustsBlobDigests = options.trustsBlobDigests
  }
}

extension MountOptions {
  /// Whoever may walk the mount can make the daemon fetch: the store's own folders are its user's alone,
  /// and the kernel checks permissions.
  fileprivate init(_ options: DaemonOptions) {
    self.init()
    mountPoint = options.mountPoint
    source = "strata-lazy"
    subtype = "strata-lazy"
    devices = false
  }
}
