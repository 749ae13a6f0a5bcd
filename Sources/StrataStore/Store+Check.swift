// The check of a whole store (storage-format 4.16). Records are read under the locks and looked at
// without them, since reading every layer takes minutes; what was deleted meanwhile is no damage.

import StrataArchive
import StrataDigest
import StrataDrivers
public import StrataModel
import StrataPersistence
import StrataSystem

extension Store {
  /// Looks for damage in everything that the store has, additional stores included.
  public func check(_ options: CheckOptions = CheckOptions()) throws(StoreError) -> CheckReport {
    var check = StoreCheck(options: options)
    let additional = try self.additional.all()
    let table = try layerStore.reading { state in state.layers }
    let own = table.records
    try checkLayers(own, table, layerStore, &check)
    for store in additional {
      let layers = try store.layers.reading { state in state.layers }
      try checkLayers(
        layers.records.filter { check.used[$0.id] == nil }, layers, store.layers, &check)
    }
    check.findMissingParents()
    for store in ownImageStores + additional.map(\.images) {
      try checkImages(store.reading { images in images.records }, store, &check)
    }
    for container in try containers() { checkContainer(container, &check) }
    let elsewhere = try layerStore.reading { (_) throws(StoreError) in
      try recordsElsewhere().layers
    }
    elsewhere.forEach { check.use($0.parent) }
    check.findUnreferenced(own, now: now().seconds)
    let known = Set(try layerStore.reading { state in state.layers.ids }).union(elsewhere.ids)
    for id in try driver.layers() where !known.contains(id) {
      let text = "layer \(id): layer in lower level storage driver not accounted for"
      check.report.layers.add(
        [CheckReport.Finding(text: text, isUnaccounted: true)], to: id)
    }
    return check.report
  }

  private func checkLayers(
    _ layers: [LayerRecord], _ table: RecordTable<LayerRecord>, _ store: LayerStore,
    _ check: inout StoreCheck
  ) throws(StoreError) {
    var found: [String: [String]] = [:]
    for layer in layers {
      check.used[layer.id] = false
      if let parent = layer.parent, !parent.isEmpty { check.report.parents[layer.id] = parent }
    }
    let chains = Dictionary(layers.map { ($0.id, $0) }) { first, _ in first }
    for layer in layers {
      var texts = layer.bigDataNames.compactMap { key in
        itemProblem(store.data(layer.id), key, of: "layer")
      }
      texts += contentProblems(of: layer, store, chains, check.options)
      if texts.isEmpty { texts = stackProblems(of: layer, table) }
      if !texts.isEmpty { found[layer.id] = texts }
    }
    if found.isEmpty { return }
    let present = Set(try store.reading { state in state.layers.ids })
    for layer in layers where present.contains(layer.id) {
      let kind = store.isReadOnly ? "read-only layer" : "layer"
      for text in found[layer.id] ?? [] {
        check.add("\(kind) \(layer.id): \(text)", toLayer: layer.id, readOnly: store.isReadOnly)
      }
      if store.isReadOnly { check.readOnly.insert(layer.id) }
    }
  }

  /// What is wrong with a data item of a kind of record; nil if nothing.
  private func itemProblem(
    _ data: BigDataDirectory, _ key: String, size: Int64? = nil, of kind: String
  ) -> String? {
    var problem: String?
    do throws(StoreError) {
      let count = try data.readThrough(key)
      if let size, size != count { problem = "\(kind) data item has incorrect size" }
    } catch {
      problem = error.code == .fileMissing ? "\(kind) data item is missing" : error.message
    }
    return problem.map { "data item \(quoted(key)): \($0)" }
  }

  /// What is wrong with a layer's directory: it does not open, it is not what its digest says, or it
  /// holds more than its tar did.
  private func contentProblems(
    of layer: LayerRecord, _ store: LayerStore, _ all: [String: LayerRecord],
    _ options: CheckOptions
  ) -> [String] {
    let directories: DiffDirectories
    do throws(StoreError) {
      if let place = try driver.additionalLayer(of: layer.id) {
        return options.contents ? blobProblems(of: layer, place) : []
      }
      directories = try driver.diffDirectories(layer.id, asking: false)
    } catch {
      return [error.message]
    }
    guard layer.diffID != nil, options.digests else { return [] }
    var texts = digestProblems(of: layer)
    guard options.contents, texts.isEmpty else { return texts }
    do throws(StoreError) {
      guard let tree = try expectedTree(of: layer, store, all) else { return [] }
      let ignoring = driver.ignoresOwnershipErrors
      texts = try naming("compare", store.tarSplitPath(layer.id)) { () throws(Errno) in
        try tree.departures(
          in: directories.own[0].view, mappings: layer.mappings, ignoringOwners: ignoring)
      }.map { "\($0), layer content modified" }
    } catch {
      texts.append(error.message)
    }
    return texts
  }

  /// How what the driver mounts a layer on differs from the parents in the records.
  private func stackProblems(of layer: LayerRecord, _ table: RecordTable<LayerRecord>) -> [String] {
    do throws(StoreError) {
      guard let parents = try knownParents(of: layer.id, table) else { return [] }
      return try driver.stackProblems(of: layer.id, on: parents)
    } catch {
      return [error.message]
    }
  }

  /// Reads the blob of a layer that is in an additional layer store and compares it with its digests.
  ///
  /// A store that does not answer, or has no such layer now, is told of and is no damage: a repair
  /// would take images away whose content comes back with the store.
  private func blobProblems(of layer: LayerRecord, _ place: AdditionalLayerPlace) -> [String] {
    do throws(StoreError) {
      let compression = layer.promisedDiffID == nil ? nil : Compression.none
      _ = try writeBlob(of: layer, place, compression, to: DigestingSink(nil))
      return []
    } catch {
      if error.code == .stream { return [error.message] }
      driver.additionalLayerCalls.tell(place.store, "layers are not checked: \(error)")
      return []
    }
  }

  /// Makes the tar anew and compares digest and size.
  private func digestProblems(of layer: LayerRecord) -> [String] {
    let sink = DigestingSink(nil)
    do throws(StoreError) {
      try diff(layer.id, compression: Compression.none, verifying: false, to: sink)
    } catch {
      return [error.message]
    }
    let (digest, size) = sink.finish()
    var texts: [String] = []
    if let expected = layer.diffID, expected.algorithm == .sha256, digest != expected {
      texts.append("layer content incorrect digest")
    }
    if layer.diffSize >= 0, size != layer.diffSize {
      texts.append(
        "read \(size) bytes instead of \(layer.diffSize) bytes: layer content incorrect size")
    }
    return texts
  }

  /// What the tar of a layer, and of those below it where the driver keeps complete trees, made; nil
  /// where not all of these tars are known, or where they are not all that is there.
  private func expectedTree(
    of layer: LayerRecord, _ store: LayerStore, _ all: [String: LayerRecord]
  ) throws(StoreError) -> ExpectedTree? {
    // A copy for other ID maps has all that lies below it beside its own.
    if try driver.diffDirectories(layer.id, asking: false).own.count > 1 { return nil }
    var chain = [layer]
    if driver.whiteoutForm == .applied {
      while let parent = chain[0].parent, !parent.isEmpty {
        guard let record = all[parent], chain.count <= all.count else { return nil }
        chain.insert(record, at: 0)
      }
    }
    var tree = ExpectedTree(driver.whiteoutForm == .aufs ? .keep : .apply)
    for layer in chain {
      let path = store.tarSplitPath(layer.id)
      guard let file = try? FileDescriptor.workingDirectory.open(path, .readOnly) else {
        return nil
      }
      let source = FileSource(file, name: path)
      try streaming { () throws(StreamError) in
        tree.beginLayer()
        try forEachHeader(ofTarSplit: source) { tree.add($0) }
      }
    }
    return tree
  }

  private func checkImages(
    _ images: [ImageRecord], _ store: ImageStore, _ check: inout StoreCheck
  ) {
    let kind = store.isReadOnly ? "read-only image" : "image"
    for image in images where check.images.insert(image.id).inserted {
      for key in image.bigDataNames {
        let data = store.data(image.id)
        let size = image.bigDataSizes[key]
        guard let problem = itemProblem(data, key, size: size, of: "image") else { continue }
        check.add(
          "\(kind) \(image.id): \(problem)", toImage: image.id, readOnly: store.isReadOnly)
      }
      for top in [image.layer].compactMap({ $0 }) + image.mappedLayers where !top.isEmpty {
        check.follow(top) { layer, isKnown in
          isKnown ? nil : "\(kind) \(image.id): layer \(layer): image layer is missing"
        } into: { report, texts in
          store.isReadOnly
            ? report.readOnlyImages.add(texts, to: image.id)
            : report.images.add(texts, to: image.id)
        }
      }
    }
  }

  private func checkContainer(_ container: ContainerRecord, _ check: inout StoreCheck) {
    let id = container.id
    for key in container.bigDataNames {
      let data = containerStore.data(id)
      let size = container.bigDataSizes[key]
      guard let problem = itemProblem(data, key, size: size, of: "container") else { continue }
      check.report.containers.add("container \(id): \(problem)", to: id)
    }
    if !container.image.isEmpty {
      if !check.images.contains(container.image) {
        check.report.containers.add("image \(container.image): image missing", to: id)
      }
      let report = check.report
      check.report.containers.add(report.images[container.image], to: id)
      check.report.containers.add(report.readOnlyImages[container.image], to: id)
    }
    // Unlike for an image, a layer below that is missing is already noted at its child.
    check.follow(container.layer) { layer, isKnown in
      isKnown || layer != container.layer
        ? nil : "container \(id): layer \(layer): layer is missing"
    } into: { report, texts in
      report.containers.add(texts.filter { $0.text.hasPrefix("container ") }, to: id)
    }
    // The peer leaves this out, and then cannot repair what it has found.
    check.report.containers.add(check.report.layers[container.layer], to: id)
  }
}

/// The state of a check while it goes through the stores.
private struct StoreCheck {
  let options: CheckOptions
  var report = CheckReport()
  /// The layers that were seen, and whether an image or a container stands on them.
  var used: [String: Bool] = [:]
  /// Those of additional stores with something wrong.
  var readOnly: Set<String> = []
  var images: Set<String> = []

  init(options: CheckOptions) { self.options = options }

  mutating func add(_ text: String, toLayer id: String, readOnly: Bool) {
    readOnly ? report.readOnlyLayers.add(text, to: id) : report.layers.add(text, to: id)
  }

  mutating func add(_ text: String, toImage id: String, readOnly: Bool) {
    readOnly ? report.readOnlyImages.add(text, to: id) : report.images.add(text, to: id)
  }

  mutating func findMissingParents() {
    for (id, parent) in report.parents.sorted(by: { $0.key < $1.key }) where used[parent] == nil {
      report.layers.add("layer \(parent): layer is missing", to: id)
    }
  }

  /// Walks from a layer to its base: each counts as used, and what is wrong with it is handed on.
  mutating func follow(
    _ top: String, _ missing: (String, _ isKnown: Bool) -> String?,
    into add: (inout CheckReport, [CheckReport.Finding]) -> Void
  ) {
    var next: String? = top
    var steps = 0
    while let id = next, !id.isEmpty, steps <= used.count {
      steps += 1
      if let text = missing(id, used[id] != nil) {
        add(&report, [CheckReport.Finding(text: text)])
      }
      if used[id] != nil { used[id] = true }
      add(&report, report.layers[id] + report.readOnlyLayers[id])
      next = report.parents[id]
    }
  }

  /// Notes that somebody stands on a layer.
  mutating func use(_ top: String?) {
    follow(top ?? "", { _, _ in nil }, into: { _, _ in })
  }

  mutating func findUnreferenced(_ own: [LayerRecord], now: Int64) {
    for layer in own where used[layer.id] == false {
      // No time at all is year 1 in the records.
      guard layer.created.seconds + options.unreferencedAge <= now else { continue }
      report.layers.add(
        "layer \(layer.id): layer not referenced by any images or containers", to: layer.id)
    }
  }
}
