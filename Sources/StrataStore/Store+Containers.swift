import StrataDigest
import StrataDrivers
public import StrataModel
import StrataPersistence
import StrataSystem

extension Store {
  /// Makes a container with a layer to write to.
  ///
  /// Locks: userns.lock where it has maps, layers and, inside, containers; an id or name that is taken is refused before anything is
  /// made. If the record cannot be saved the layer goes again. In a transient store every container
  /// is volatile, as its layer is (storage-format 4.15): a record that outlived the run root would
  /// name a layer that is gone.
  public func createContainer(_ creation: ContainerCreation) throws(StoreError) -> ContainerRecord {
    try requireWritable()
    var creation = creation
    if configuration.transient { creation.volatile = true }
    // Who chooses ids, or brings some, keeps others from choosing them too until they are recorded.
    if creation.automatic == nil, creation.mappings.isEmpty {
      return try make(creation, copyAhead(for: creation))
    }
    let hold = try LockFile.open(configuration.graphRoot.appending("userns.lock")).exclusive()
    try prepareToOwnAnew(creation.automatic == nil ? creation.mappings : nil)
    let container = try make(creation, copyAhead(for: creation))
    _ = consume hold
    return container
  }

  /// The content of the image, where the driver copies it and where it is clear which layer that is.
  private func copyAhead(for creation: ContainerCreation) throws(StoreError) -> ParentCopy? {
    guard !driver.stagesIndependently, creation.automatic == nil, let key = creation.image else {
      return nil
    }
    let image = try self.image(key)
    let top = try layerStore.reading { state throws(StoreError) in
      try knownTopLayer(of: image, for: creation.mappings, state.layers).found
    }
    return try ParentCopy(of: top, for: creation.mappings, in: self)
  }

  private func make(_ wish: ContainerCreation, _ copy: ParentCopy?) throws(StoreError)
    -> ContainerRecord
  {
    var creation = wish
    return try layerStore.writing { layers throws(StoreError) in
      let image = try creation.image.map { key throws(StoreError) in try self.image(key) }
      if let automatic = creation.automatic {
        creation.mappings = try automaticMappings(automatic, image: image, layers)
      }
      var parent: LayerRecord?
      if let image { parent = try topLayer(of: image, for: creation.mappings, &layers) }
      return try containerStore.writing { containers throws(StoreError) in
        let id = try freshID(creation.id) { containers.containers[$0] != nil }
        var layer = LayerRecord(
          id: try freshID(nil) { layers.layers[$0] != nil }, parent: parent?.id, created: now())
        if !driver.supportsShifting(creation.mappings) { layer.mappings = creation.mappings }
        layer.names = Identifiers.deduplicated(creation.layerNames)
        var record = ContainerRecord(
          id: id, image: image?.id ?? "", layer: layer.id, created: layer.created)
        record.names = creation.names
        record.metadata = creation.metadata
        record.mappings = creation.mappings
        record.flags = try creation.labelledFlags()
        layer.mountLabel = record.flags.string(Flags.mountLabel) ?? ""
        try containers.insert(record)
        _ = try makeEmpty(
          layer, [], parent: parent?.id, parentMappings: parent?.mappings ?? layer.mappings,
          volatile: creation.volatile, content: copy?.content(for: layer, on: parent), &layers)
        do throws(StoreError) {
          for item in creation.data {
            try containers.setData(item.key, item.bytes, digest: item.recordedDigest, of: id)
          }
          try containers.save()
        } catch {
          try? containerStore.data(id).removeAll()
          discard(layer.id, &layers)
          throw error
        }
        return containers.containers[id] ?? record
      }
    }
  }

  /// The size of a container: its layer, its data items and all in its two directories.
  public func containerSize(_ key: String) throws(StoreError) -> Int64 {
    let record = try container(key)
    // The files of data items lie in the directory, so they are counted there alone.
    return try diffSize(record.layer) + treeSize(containerPath(record.id))
      + treeSize(containerRunPath(record.id))
  }

  private func treeSize(_ path: RawPath) -> Int64 {
    guard
      let directory = try? FileDescriptor.workingDirectory.open(
        path, [.readOnly, .directory, .noFollow]),
      let entries = try? directory.view.entries()
    else { return 0 }
    var total: Int64 = 0
    for entry in entries {
      guard let status = try? directory.view.status(of: entry.name) else { continue }
      total += status.type == .directory ? treeSize(path.appending(entry.name)) : status.size
    }
    return total
  }
}

extension ContainerCreation {
  /// The flags with both labels; one alone makes no sense.
  fileprivate func labelledFlags() throws(StoreError) -> Flags {
    var flags = flags
    let labels = [Flags.mountLabel, Flags.processLabel]
    let given = labels.filter { flags[$0] != nil }.count
    if given == 1 {
      throw StoreError(
        .usage, "ProcessLabel and Mountlabel must either not be specified or both specified")
    }
    if given == 0 { for label in labels { flags[label] = .string("") } }
    if volatile { flags[Flags.volatile] = .bool(true) }
    return flags
  }
}
