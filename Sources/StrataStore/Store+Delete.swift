// Deletion (storage-format 4.13). Keys are resolved to ids before any check, which the peer does not
// do: there, deleting a layer by name removes it under its children.

import StrataDrivers
public import StrataModel
import StrataPersistence
import StrataSystem

extension Store {
  /// Deletes a layer that has no children, images or containers.
  public func deleteLayer(_ key: String) throws(StoreError) {
    try deleteLayer(key, ignoringChildren: [])
  }

  /// As above, though some have it as their parent: they are to be deleted too.
  func deleteLayer(_ key: String, ignoringChildren doomed: Set<String>) throws(StoreError) {
    try requireWritable()
    try layerStore.writing { layers throws(StoreError) in
      guard let id = layers.find(key)?.id else { throw StoreError(.notALayer) }
      let elsewhere = try recordsElsewhere()
      let children = layers.layers.children(of: id) + elsewhere.layers.children(of: id)
      if let child = children.first(where: { !doomed.contains($0.id) }) {
        throw StoreError(.layerHasChildren).wrapped("used by layer \(child.id)")
      }
      try imageStore.writing { images throws(StoreError) in
        if let image = images.images.first(where: { $0.layer == id }) {
          throw StoreError(.layerUsedByImage).wrapped("layer \(id) used by image \(image.id)")
        }
        try containerStore.reading { containers throws(StoreError) in
          if let container = containers.containers(layer: id).first {
            throw StoreError(.layerUsedByContainer)
              .wrapped("layer \(id) used by container \(container.id)")
          }
        }
        try remove([id], &layers)
        for image in images.images.records where image.mappedLayers.contains(id) {
          try images.update(image.id) { $0.mappedLayers.removeAll { $0 == id } }
        }
      }
    }
  }

  /// Deletes layers that were made for something that then failed, the last one first; returns the
  /// ids of those that stay.
  ///
  /// Layers stay that somebody has begun to use meanwhile, by a layer on top, an image, a container, a
  /// mount, a name or a data item, and so does what is below such a one. A layer under the same id
  /// that is not the one that was made, since that was deleted and made again by others, stays too.
  @discardableResult
  public func deleteUnused(_ made: [LayerRecord]) throws(StoreError) -> [String] {
    try layerStore.writing { layers throws(StoreError) in
      var images = try imageStore.reading { images in images.records }
      if let graphImages { images += try graphImages.reading { images in images.records } }
      let containers = try containerStore.reading { containers in containers }
      let mounts = try layers.mounts()
      let elsewhere = try recordsElsewhere().layers
      let used = Set(images.flatMap { [$0.layer].compactMap { $0 } + $0.mappedLayers })
      var unused: [String] = []
      for layer in made.reversed() {
        guard let now = layers.layers[layer.id] else { continue }
        let isUntouched =
          now.created == layer.created && now.names == layer.names
          && now.bigDataNames == layer.bigDataNames
        if isUntouched, !used.contains(layer.id), mounts[layer.id]?.count ?? 0 == 0,
          containers.containers(layer: layer.id).isEmpty,
          layers.layers.children(of: layer.id).allSatisfy({ unused.contains($0.id) }),
          elsewhere.children(of: layer.id).isEmpty
        {
          unused.append(layer.id)
        }
      }
      try remove(unused, &layers)
      return made.map(\.id).filter { layers.layers[$0] != nil }
    }
  }

  /// Deletes an image and those of its layers that nothing else uses; returns their ids.
  ///
  /// Without `commit` it only says which these would be.
  @discardableResult
  public func deleteImage(_ key: String, commit: Bool = true) throws(StoreError) -> [String] {
    if commit { try requireWritable() }
    return try layerStore.writing { layers throws(StoreError) in
      let (target, others) = try imageStores(deleting: key)
      return try target.writing { images throws(StoreError) in
        guard let image = images.find(key) else { throw StoreError(.notAnImage) }
        let containers = try containerStore.reading { containers in containers }
        let elsewhere = try recordsElsewhere()
        // The peer names the last one.
        let users = elsewhere.containers.containers(image: image.id)
        if let container = (users + containers.containers(image: image.id)).last {
          throw StoreError(.imageUsedByContainer).wrapped("image used by \(container.id)")
        }
        let unused = unusedLayers(
          of: image, layers.layers, images: images.images.records + others,
          containers: containers, elsewhere.layers)
        guard commit else { return unused }
        images.remove(image.id)
        try images.save()
        var failure: StoreError?
        do throws(StoreError) {
          try target.data(image.id).removeAll()
        } catch { failure = error }
        try remove(unused, &layers)
        if let failure { throw failure }
        return unused
      }
    }
  }

  /// The image store that has an image, and the images of the other one, whose layers must stay.
  private func imageStores(deleting key: String) throws(StoreError) -> (
    ImageStore, others: [ImageRecord]
  ) {
    guard let graphImages else { return (imageStore, []) }
    let here = try imageStore.reading { images in images }
    let there = try graphImages.reading { images in images }
    if here.find(key) == nil, there.find(key) != nil { return (graphImages, here.records) }
    return (imageStore, there.records)
  }

  /// Deletes a container, its layer and its directories.
  ///
  /// The layer goes first, so that the record is still there if that fails.
  public func deleteContainer(_ key: String) throws(StoreError) {
    try requireWritable()
    try layerStore.writing { layers throws(StoreError) in
      try containerStore.writing { containers throws(StoreError) in
        guard let container = containers.find(key) else { throw StoreError(.notAContainer) }
        try remove(container, &layers, &containers)
      }
    }
  }

  /// Deletes whatever the key names: a container, else an image's record, else a layer, whoever uses
  /// it: the peer's `delete` makes no checks.
  public func delete(_ key: String) throws(StoreError) {
    try requireWritable()
    try layerStore.writing { layers throws(StoreError) in
      try imageStore.writing { images throws(StoreError) in
        try containerStore.writing { containers throws(StoreError) in
          if let container = containers.find(key) {
            guard layers.layers[container.layer] != nil else { throw StoreError(.notALayer) }
            try remove(container, &layers, &containers)
          } else if let image = images.find(key) {
            images.remove(image.id)
            try images.save()
            try imageStore.data(image.id).removeAll()
          } else if let layer = layers.find(key) {
            try remove([layer.id], &layers)
          } else {
            throw StoreError(.layerUnknown)
          }
        }
      }
    }
  }
}

// MARK: - Under the locks

extension Store {
  /// Removes a container with all that is its own.
  private func remove(
    _ container: ContainerRecord, _ layers: inout LayerWriter, _ containers: inout ContainerWriter
  ) throws(StoreError) {
    if layers.layers[container.layer] != nil { try remove([container.layer], &layers) }
    for path in [containerPath(container.id), containerRunPath(container.id)] {
      try ensureRemoved(path, in: .workingDirectory, at: path)
    }
    containers.remove(container.id)
    try containers.save()
  }

  /// Removes layers, children before parents: unmounted, marked incomplete on the disk, their
  /// directories moved out of the way, then out of the records.
  ///
  /// The files go when the lock is gone, so that it is held for milliseconds whatever the size. The save
  /// that drops one layer marks the next, so that never more than one is marked: of several in a row
  /// peers of version 1.43 pass over every second. A kill leaves what the next who loads removes, or
  /// what the next start of Strata does.
  func remove(_ ids: [String], _ layers: inout LayerWriter) throws(StoreError) {
    guard !ids.isEmpty else { return }
    for id in ids { try unmountForRemoval(id, &layers) }
    var failure: StoreError?
    for id in ids where failure == nil {
      try layers.update(id) { $0.isIncomplete = true }
      try layers.save()
      do throws(StoreError) {
        try driver.remove(id, later: layers.removals)
        try layerStore.removeOwnFiles(of: id)
        layers.remove(id)
      } catch {
        failure = error
      }
    }
    try layers.save()
    if let failure { throw failure }
  }

  /// The layers that go with an image, from the top down: those that are no container's, in no other
  /// image and without children that stay.
  private func unusedLayers(
    of image: ImageRecord, _ layers: RecordTable<LayerRecord>, images: [ImageRecord],
    containers: RecordTable<ContainerRecord>, _ elsewhere: RecordTable<LayerRecord>
  ) -> [String] {
    var result: [String] = []
    let others = images.filter { $0.id != image.id }
    let inUse = Set(others.flatMap { [$0.layer].compactMap { $0 } + $0.mappedLayers })
      .union(containers.records.map(\.layer))
    func isUnused(_ id: String) -> Bool {
      layers[id] != nil && !inUse.contains(id) && !result.contains(id)
        && layers.children(of: id).allSatisfy { result.contains($0.id) }
        && elsewhere.children(of: id).isEmpty
    }
    for mapped in image.mappedLayers where isUnused(mapped) { result.append(mapped) }
    var next = image.layer
    while let id = next, isUnused(id) {
      result.append(id)
      next = layers[id]?.parent
    }
    return result
  }
}

// MARK: - The whole store

extension Store {
  /// Deletes everything: containers, images, layers, then what no record names.
  public func wipe() throws(StoreError) {
    try requireWritable()
    try layerStore.writing { layers throws(StoreError) in
      try imageStore.writing { images throws(StoreError) in
        try containerStore.writing { containers throws(StoreError) in
          for container in containers.containers.records {
            try remove(container, &layers, &containers)
          }
        }
        try removeAll(&images, imageStore)
      }
      if let graphImages {
        try graphImages.writing { images throws(StoreError) in
          try removeAll(&images, graphImages)
        }
      }
      try remove(childrenFirst(layers.layers.records), &layers)
      for stray in try driver.layers() { try driver.remove(stray) }
      _ = try driver.peersStaging(dryRun: false)
    }
  }

  private func removeAll(_ images: inout ImageWriter, _ store: ImageStore) throws(StoreError) {
    for image in images.images.records {
      images.remove(image.id)
      try images.save()
      try store.data(image.id).removeAll()
    }
  }

  /// The ids of layers in an order in which each comes before its parent.
  private func childrenFirst(_ records: [LayerRecord]) -> [String] {
    let parents = Dictionary(records.map { ($0.id, $0.parent) }) { first, _ in first }
    func depth(_ id: String) -> Int {
      var count = 0
      var next: String? = id
      // A ring of parents, which only damage makes, ends at the number of layers.
      while let id = next, count <= records.count {
        count += 1
        next = parents[id] ?? nil
      }
      return count
    }
    let ranked = records.enumerated().map { (depth($0.element.id), $0.offset, $0.element.id) }
    return ranked.sorted { ($0.0, $0.1) > ($1.0, $1.1) }.map(\.2)
  }

  /// Leaves nothing mounted, the private bind mount of the driver's home included, and tells the
  /// peers by a token in storage.lock.
  ///
  /// Mounted layers are an error unless `force` unmounts them.
  ///
  /// - Returns: The ids of layers that were unmounted.
  @discardableResult
  public func shutdown(force: Bool = false) throws(StoreError) -> [String] {
    try requireWritable()
    let hold = try graphLock.exclusive()
    let unmounted = try layerStore.writing { layers throws(StoreError) in
      let mounted = try layers.mounts().records.filter { $0.count > 0 }.map(\.id)
      if !mounted.isEmpty && !force {
        throw StoreError(.layerUsedByContainer).wrapped("a layer is mounted")
      }
      for id in mounted { try unmountForRemoval(id, &layers) }
      return mounted
    }
    _ = try hold.recordWrite()
    try driver.shutDown()
    return unmounted
  }

  /// Names and values about the store and its driver, for `status`.
  public func status() throws(StoreError) -> [(String, String)] {
    [
      ("Root", configuration.graphRoot.description),
      ("Run Root", configuration.runRoot.description), ("Driver Name", driver.name),
      ("Driver Options", "[\(configuration.driverOptions.joined(separator: " "))]"),
    ] + driver.status()
  }
}
