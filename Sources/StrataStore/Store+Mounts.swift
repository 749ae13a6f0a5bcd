import StrataDrivers
public import StrataModel
import StrataPersistence
public import StrataSystem

extension Store {
  /// Mounts a layer, or a container's layer, and counts it.
  ///
  /// `options` nil are the container's own or the configured ones.
  ///
  /// Locks: storage.lock through the mount, layers, mount points (storage-format 3.11, 4.7).
  public func mount(_ key: String, options: [String]? = nil, label: String = "")
    throws(StoreError) -> RawPath
  {
    try requireWritable()
    let container = try containerStore.reading { containers in containers.findContainer(key) }
    var request = DriverMountOptions(
      options: options ?? container?.flags.strings(Flags.mountOptions), label: label)
    if let container {
      request.volatile = container.isVolatile && !configuration.disablesVolatile
      request.mappings = container.mappings
      if label.isEmpty { request.label = container.flags.string(Flags.mountLabel) ?? "" }
    }
    let target = container?.layer ?? key
    return try mounting { writer throws(StoreError) in
      guard let layer = writer.find(target) else {
        if try findAdditionalLayer(target) == nil { throw StoreError(.layerUnknown) }
        throw StoreError(.storeIsReadOnly).wrapped(
          "mounting read/only store images is not allowed")
      }
      if request.label.isEmpty { request.label = layer.mountLabel }
      // A layer that was written with maps shows the right owners as it is.
      if !layer.mappings.isEmpty { request.mappings = IDMappings() }
      return try countMount(layer.id, request, &writer)
    }
  }

  /// Mounts the top layer of an image read-only.
  public func mountImage(_ key: String, options: [String]? = nil, label: String = "")
    throws(StoreError) -> RawPath
  {
    try requireWritable()
    if options?.contains("rw") == true { throw StoreError(.usage, "\"rw\" option not supported") }
    let image = try image(key)
    return try mounting { writer throws(StoreError) in
      guard let top = try topLayer(of: image, for: IDMappings(), &writer)?.id else {
        throw StoreError(.layerUnknown)
      }
      return try countMount(
        top, DriverMountOptions(options: options, readOnly: true, label: label), &writer)
    }
  }

  /// Counts a mount down and unmounts at zero; `force` unmounts at once.
  ///
  /// True if it is gone.
  ///
  /// `key` may also be the mount point. What is not mounted is success.
  @discardableResult
  public func unmount(_ key: String, force: Bool = false) throws(StoreError) -> Bool {
    try requireWritable()
    let container = try containerStore.reading { containers in containers.findContainer(key) }
    let target = container?.layer ?? key
    return try layerStore.writing { writer throws(StoreError) in
      let byPath = try writer.mounts().mount(at: RawPath(target))?.id
      guard let id = byPath ?? writer.find(target)?.id else { throw StoreError(.layerUnknown) }
      return try countUnmount(id, force: force, &writer)
    }
  }

  /// As `unmount` for an image's top layer.
  @discardableResult
  public func unmountImage(_ key: String, force: Bool = false) throws(StoreError) -> Bool {
    try requireWritable()
    let top = try topLayerWithoutMaps(image(key))
    return try layerStore.writing { writer throws(StoreError) in
      try countUnmount(top, force: force, &writer)
    }
  }

  /// How many times a layer, or a container's layer, is mounted.
  public func mountCount(_ key: String) throws(StoreError) -> Int {
    let container = try containerStore.reading { containers in containers.findContainer(key) }
    let target = container?.layer ?? key
    return try layerStore.reading { state throws(StoreError) in
      guard let layer = state.find(target) else { throw StoreError(.layerUnknown) }
      return state.mountCount(layer.id)
    }
  }

  /// Where layers are mounted, by the layers' ids.
  public func mountPoints() throws(StoreError) -> [String: String] {
    let mounts = try layerStore.reading { state in state.usedMounts }
    return Dictionary(mounts.map { ($0.id, $0.path) }) { first, _ in first }
  }

  /// The image's top layer, or the copy of it that has no ID maps.
  private func topLayerWithoutMaps(_ image: ImageRecord) throws(StoreError) -> String {
    for id in [image.layer].compactMap({ $0 }) + image.mappedLayers {
      if let found = try findLayer(id), found.record.mappings.isEmpty { return id }
    }
    throw StoreError(.layerUnknown)
  }
}

// MARK: - Under the locks

extension Store {
  /// Holds the graph lock, with the home ready for mounts, and the layers' write lock.
  private func mounting<Result: ~Copyable>(
    _ body: (inout LayerWriter) throws(StoreError) -> Result
  ) throws(StoreError) -> Result {
    let hold = try graphLock.exclusive()
    try driver.prepareForMounts()
    let result = try layerStore.writing(body)
    _ = consume hold
    return result
  }

  /// Mounts unless it is mounted already, and counts.
  ///
  /// A count without a mount is what a reboot with a persistent run root leaves: it starts from
  /// zero again.
  private func countMount(
    _ id: String, _ request: DriverMountOptions, _ writer: inout LayerWriter
  ) throws(StoreError) -> RawPath {
    var isNew = false
    do throws(StoreError) {
      return try writer.changeMounts { mounts throws(StoreError) in
        if let known = mounts[id], known.count > 0, driver.isMounted(at: RawPath(known.path)) {
          mounts.set(id, path: RawPath(known.path), count: known.count + 1)
          return RawPath(known.path)
        }
        isNew = !driver.isMounted(at: driver.mountPoint(of: id))
        if isNew { try restack(id, writer.layers) }
        let path = try driver.mount(id, request)
        mounts.set(id, path: path, count: 1)
        return path
      }
    } catch {
      // A mount that could not be counted would stay for ever.
      if isNew { try? driver.unmount(id) }
      throw error
    }
  }

  private func countUnmount(_ id: String, force: Bool, _ writer: inout LayerWriter)
    throws(StoreError) -> Bool
  {
    try writer.changeMounts { mounts throws(StoreError) in
      if let known = mounts[id], known.count > 1, !force {
        mounts.set(id, path: RawPath(known.path), count: known.count - 1)
        return false
      }
      try driver.unmount(id)
      mounts.set(id, path: "", count: 0)
      return true
    }
  }

  /// Unmounts a layer that is going to be deleted, however often it is mounted.
  func unmountForRemoval(_ id: String, _ writer: inout LayerWriter) throws(StoreError) {
    _ = try countUnmount(id, force: true, &writer)
  }
}

// MARK: - Directories beside the records

extension Store {
  /// The directory for files that belong to a container; made if missing.
  public func containerDirectory(_ key: String) throws(StoreError) -> RawPath {
    try made(containerPath(try container(key).id).appending("userdata"))
  }

  /// The same in the run root.
  public func containerRunDirectory(_ key: String) throws(StoreError) -> RawPath {
    try made(containerRunPath(try container(key).id).appending("userdata"))
  }

  /// The directory for files that belong to an image; made if missing.
  public func imageDirectory(_ key: String) throws(StoreError) -> RawPath {
    let id = RawPath(try image(key).id)
    return try made(imageStore.directory.appending(id).appending("userdata"))
  }

  /// The same in the run root.
  public func imageRunDirectory(_ key: String) throws(StoreError) -> RawPath {
    let images = configuration.runRoot.appending(imageStore.directory.lastComponent)
    return try made(images.appending(RawPath(try image(key).id)).appending("userdata"))
  }

  func containerPath(_ id: String) -> RawPath {
    containerStore.directory.appending(RawPath(id))
  }

  func containerRunPath(_ id: String) -> RawPath {
    configuration.runRoot.appending(containerStore.directory.lastComponent).appending(RawPath(id))
  }

  private func made(_ path: RawPath) throws(StoreError) -> RawPath {
    try naming("mkdir", path) { () throws(Errno) in
      try FileDescriptor.workingDirectory.makeDirectories(path, mode: 0o700)
    }
    return path
  }
}
