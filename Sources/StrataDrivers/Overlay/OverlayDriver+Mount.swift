package import StrataModel
import StrataPersistence
package import StrataSystem

extension OverlayDriver {
  /// Bind-mounts the home on itself and makes it private.
  ///
  /// Without it the next Go tool does so and hides our mounts below it; a peer's shutdown removes
  /// it again, so this is called before each mount, under the graph lock (storage-format 6.9).
  package func prepareForMounts() throws(StoreError) {
    if options.skipsHomeMount { return }
    do throws(Errno) {
      if try !isMountPoint(home) { try StrataSystem.mount(home, on: home, flags: .bind) }
      try StrataSystem.mount("none", on: home, flags: .makePrivate)
    } catch {
      throw StoreError(error, "overlay: failed to make mount private: mount \(home):\(home)")
    }
  }

  package func shutDown() throws(StoreError) {
    if options.skipsHomeMount { return }
    let here = FileDescriptor.workingDirectory
    guard let status = try? here.status(of: home, follow: true), status.isMountRoot,
      // Another file system at this place is the administrator's own mount.
      let above = try? here.status(of: home.parent, follow: true), above.device == status.device
    else { return }
    try naming("unmounting", home) { () throws(Errno) in
      try StrataSystem.unmount(home, detach: true)
    }
  }

  package func mountPoint(of id: String) -> RawPath {
    let homes = ownHomes.map { $0.appending(RawPath(id)) }
    let own = homes.first { (try? FileDescriptor.workingDirectory.exists($0)) == true }
    if own == nil, exists(id) { return runHome.appending(RawPath(id)).appending(LayerFile.merged) }
    return (own ?? homes[0]).appending(LayerFile.merged)
  }

  package func isMounted(at path: RawPath) -> Bool { mountState(at: path) == .alive }

  /// What is at a mount point now.
  private enum MountState { case none, alive, dead }

  /// A mount is dead if its daemon has gone: the kernel answers ENOTCONN for it, or ECONNABORTED to who asks
  /// while it goes.
  ///
  /// What cannot be looked at for any other reason is taken for dead too: to unmount what is
  /// no mount does nothing.
  private func mountState(at path: RawPath) -> MountState {
    do throws(Errno) {
      guard try isMountPoint(path) else { return .none }
      // The kernel answers stat(2) from its cache, whoever has died; statfs(2) asks the daemon.
      let root = try FileDescriptor.workingDirectory.open(path, [.path, .directory])
      _ = try root.view.fileSystemStatus()
      _ = consume root
      return .alive
    } catch {
      switch error {
      case .noSuchFileOrDirectory, .notADirectory, .permissionDenied: return .none
      default: return .dead
      }
    }
  }

  /// The mount program maps any list that is contiguous on both sides (storage-format 6.6).
  package func supportsShifting(_ mappings: IDMappings) -> Bool {
    if environmentValue("_CONTAINERS_OVERLAY_DISABLE_IDMAP") == "yes" { return false }
    return [mappings.uids, mappings.gids].allSatisfy { maps in
      let inside = maps.sorted { $0.containerID < $1.containerID }
      let outside = maps.sorted { $0.hostID < $1.hostID }
      return zip(inside, inside.dropFirst()).allSatisfy {
        UInt64($0.containerID) + UInt64($0.size) == UInt64($1.containerID)
      }
        && zip(outside, outside.dropFirst()).allSatisfy {
          UInt64($0.hostID) + UInt64($0.size) == UInt64($1.hostID)
        }
    }
  }

  package func mount(_ id: String, _ options: DriverMountOptions) throws(StoreError) -> RawPath {
    let layer = try directory(of: id)
    let point = mountPoint(of: id)
    switch mountState(at: point) {
    case .alive: return point
    case .dead: try MountProgram.unmount(point)
    case .none: break
    }
    guard !self.options.mountProgram.isEmpty else {
      throw StoreError(
        .mountProgram, "no mount program: give --storage-opt overlay.mount_program=PROGRAM")
    }
    if !owns(layer) && !options.readOnly {
      throw StoreError(
        .storeIsReadOnly,
        "mounting read/only store images is not allowed: called a write method on a read-only store"
      )
    }
    var options = options
    if let place = try layer.additionalLayer() {
      _ = try additionalLayerCalls.status(of: LayerFile.diff, in: place)
      options.readOnly = true
    }
    let text = try optionString(layer, options)
    try naming("mkdir", point) { () throws(Errno) in
      try FileDescriptor.workingDirectory.makeDirectories(point, mode: 0o700)
    }
    let program = MountProgram(path: self.options.mountProgram, workingDirectory: home)
    try program.mount(text, on: point)
    guard isMounted(at: point) else {
      throw StoreError(
        .mountProgram,
        "mount program \(program.path) said that it has mounted \(point), but it has not")
    }
    return point
  }

  package func unmount(_ id: String) throws(StoreError) {
    let point = mountPoint(of: id)
    if mountState(at: point) != .none { try MountProgram.unmount(point) }
  }

  func optionString(_ layer: LayerDirectory, _ options: DriverMountOptions)
    throws(StoreError) -> RawPath
  {
    try refuseForeignContent(layer)
    try refuseSeparators()
    var lowers = olderDiffs(of: layer).map { layer.path.appending($0) }
    for lower in try lowerLayers(of: layer) {
      // The mount program opens it, and would wait for a store that does not answer.
      if let place = lower.additional {
        _ = try additionalLayerCalls.status(of: LayerFile.diff, in: place)
      }
      lowers.append(lower.path)
    }
    guard lowers.count <= 500 else {
      throw StoreError(
        .mountProgram,
        "max depth exceeded: \(lowers.count) layers below, at most 500 can be mounted")
    }
    if lowers.isEmpty {
      if !layer.has(LayerFile.empty), owns(layer) {
        try layer.makeDirectory(LayerFile.empty, mode: 0o700, (effectiveUserID, effectiveGroupID))
      }
      lowers = [layer.path.appending(LayerFile.empty)]
    }
    var words = options.options ?? self.options.mountOptions
    var text = MountOptionString(
      lowers: lowers, label: options.label, mappings: options.mappings)
    let diff = layer.path.appending(LayerFile.diff)
    if options.readOnly || words.contains("ro") {
      text.lowers.insert(diff, at: 0)
    } else {
      text.upper = (diff, layer.path.appending(LayerFile.work))
      try prepareWork(of: layer)
      if options.volatile { words.append("volatile") }
    }
    text.options = words
    return text.text
  }

  /// Paths stand in the option string between its separators, and not all mount programs take the
  /// same escapes.
  private func refuseSeparators() throws(StoreError) {
    for home in ownHomes where home.bytes.contains(where: { ",:\\".utf8.contains($0) }) {
      throw StoreError(
        .mountProgram,
        "\(home): a path with a comma, a colon or a backslash cannot be given to a mount program: "
          + "move the store to another")
    }
  }

  /// What a newer peer may have put there and a plain stack of directories would show wrongly.
  func refuseForeignContent(_ layer: LayerDirectory) throws(StoreError) {
    if layer.has("composefs-data") {
      throw StoreError(.notSupported).wrapped("layer \(layer.id) is a composefs image")
    }
  }

  /// Makes the work directory if it is gone and removes the kernel's mark of a volatile mount.
  private func prepareWork(of layer: LayerDirectory) throws(StoreError) {
    if !layer.has(LayerFile.work) {
      try layer.makeDirectory(LayerFile.work, mode: 0o700, (effectiveUserID, effectiveGroupID))
    }
    let mark = layer.id.appending("work/work/incompat/volatile")
    try naming("remove", layer.homePath.appending(mark)) { () throws(Errno) in
      do throws(Errno) {
        try layer.home.view.removeTree(mark)
      } catch  where error == .notADirectory {}
    }
  }
}
