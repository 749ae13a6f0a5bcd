import StrataFUSE
import StrataSystem

/// The type of the daemon's mount behind `fuse.`, and its source.
private let typeName: RawPath = "strata-lazy"

/// Mounts the store.
func mountStore(on path: RawPath) throws -> Mount {
  try clearMountPoint(path)
  var options = MountOptions()
  options.mountPoint = path
  options.source = typeName
  options.subtype = typeName
  // Whoever may walk the mount can make the daemon fetch: the store's own folders are its user's alone,
  // and the kernel checks permissions. Layers' device nodes are no devices there.
  options.devices = false
  return try Mount(options)
}

/// The path without links, as the kernel's table has it; the last component, which a dead mount may lie
/// on, is not looked at.
func absolute(_ path: RawPath) throws(Errno) -> RawPath {
  let here = FileDescriptor.workingDirectory
  let path = path.cleaned
  let folder = try here.open(path.parent.isEmpty ? "." : path.parent, [.path])
  return try here.readLink(folder.view.procPath).appending(path.lastComponent)
}

/// Refuses what the daemon needs and could not reach once it is mounted over it.
func requireOutside(of mountPoint: RawPath, _ paths: [RawPath]) throws(LazyError) {
  let top = Array(((try? absolute(mountPoint)) ?? mountPoint.cleaned).bytes) + [UInt8(ascii: "/")]
  for path in paths {
    let real = (try? absolute(path)) ?? path.cleaned
    if real.bytes.starts(with: top) {
      throw LazyError("\(path) lies below the mount point \(mountPoint), which hides it")
    }
  }
}

/// Takes away mounts whose daemon was killed, since every podman command fails on one (lazy-layers 1.1),
/// and refuses one that is alive.
private func clearMountPoint(_ path: RawPath) throws {
  // As many as a crash in a loop may have left.
  for _ in 0..<16 {
    // Asked by a process of its own: a mount of a daemon that hangs never answers.
    let worker = try CallWorker()
    do throws(CallWorker.Failure) {
      _ = try worker.status(of: path, within: 5000)
    } catch {
      switch error {
      case .refused(.notConnected), .refused(.connectionAborted):
        try unmount(path, detach: true)
        continue
      case .refused: return
      case .lost: throw LazyError("\(path) does not answer: take it away by umount -l \(path)")
      }
    }
    let here = FileDescriptor.workingDirectory
    guard let place = try? here.open(path, [.path]),
      let real = try? here.readLink(place.view.procPath)
    else { return }
    let last = try mountTable().last { $0.point == real }
    if let last, last.type == RawPath("fuse.\(typeName)") {
      throw LazyError("\(path) is served by another strata-lazy")
    }
    return
  }
}

/// The mounted overlays that have layers of a store, by `<graph root>/overlay/<id>/merged`.
///
/// A layer of the store is a link `diff` to it, and an overlay's file `lower` names the short links of
/// its layers (storage-format 6).
func overlaysOver(_ store: RawPath) -> [RawPath] {
  let here = FileDescriptor.workingDirectory
  let below = RawPath(Array(store.bytes) + [UInt8(ascii: "/")])
  let points = ((try? mountTable()) ?? []).map(\.point).filter { $0.lastComponent == "merged" }
  return points.filter { point in
    let layer = point.parent
    let lower = (try? here.contents(of: layer.appending("lower"), limit: 1 << 20)) ?? []
    return lower.split(separator: UInt8(ascii: ":")).contains { part in
      guard let short = try? here.readLink(layer.parent.appending(RawPath(part))),
        let diff = try? here.readLink(layer.parent.appending("l").appending(short))
      else { return false }
      return diff.hasPrefix(below)
    }
  }
}
