import StrataArchive
import StrataDrivers
package import StrataModel
import StrataPersistence
package import StrataSystem
import Synchronization

/// Layers that are being made: content first, outside every lock of the store, then all records at once.
///
/// `fill` writes the content of one into a temporary directory beside the layers, from any thread and
/// for as long as that takes. `commit` takes the layers' lock once, for milliseconds: a layer's record is
/// saved, marked incomplete; what is its own is moved into its place; the save that takes the mark away
/// brings the next layer's record, so that never more than one is marked: of several in a row the peers
/// of version 1.43 pass over every second when they remove them (measured). A kill before that leaves a
/// temporary directory, which the next start of Strata removes; in it, a marked record, which whoever loads
/// the layers removes with all that is its own, and whole layers below. What was not committed goes with
/// this object.
package final class StagedLayers: Sendable {
  private struct Plan: Sendable {
    let creation: LayerCreation
    let record: LayerRecord
    /// Whether it was there already.
    let isThere: Bool
    /// Whether its record is there and its folder is gone: the content is put there again.
    var isMended = false
    /// The parent as it was; nil for a layer without one, or on one that is made here.
    var parent: LayerRecord?
    let parentMappings: IDMappings
  }

  private struct Content: Sendable {
    var staged: StagedContent
    let tarSplit: TarSplitFile
    let items: [KeptItem]
    let applied: AppliedLayer
  }

  /// A layer that is there now, and whether it was made here.
  package typealias Outcome = (record: LayerRecord, isNew: Bool)

  private let store: Store
  private let plans: [Plan]
  private let reuses: Bool
  private let inImageStore: Bool
  private let locks: [LayerLock]
  /// For content, and for tar-split files; none where no layer is missing.
  private let places: (content: TemporaryDirectory, tarSplits: TemporaryDirectory)?
  private let contents = Mutex<[Int: Content]>([:])

  /// Plans layers, parents before their children, after every check that needs no change; `reusing`
  /// takes layers of those ids that are there, or come to be meanwhile, for the ones that are wanted.
  ///
  /// All are for the separate image store, if there is one, or none is.
  ///
  /// Errors: those of making a layer, `.duplicateID` and `.duplicateName` among them.
  package init(_ creations: [LayerCreation], in store: Store, reusing: Bool) throws(StoreError) {
    try store.requireWritable()
    self.store = store
    reuses = reusing
    inImageStore = creations.contains { $0.isReadOnly }
    let first = try Self.plan(creations, store, reusing)
    locks = reusing ? try Self.lock(first.filter { !$0.isThere }.map(\.record.id), store) : []
    // Whoever had one of the locks may have made the layer.
    plans = locks.isEmpty ? first : try Self.plan(creations, store, reusing)
    if plans.allSatisfy(\.isThere) {
      places = nil
    } else {
      let content = try store.driver.makeTemporaryDirectory(inImageStore: inImageStore)
      places = (content, try store.layerStore.makeTemporaryDirectory())
    }
  }

  /// That of layers which are wanted by their ids, so that two commands do not read the same one.
  private static func lock(_ ids: [String], _ store: Store) throws(StoreError) -> [LayerLock] {
    var locks: [LayerLock] = []
    let configuration = store.configuration
    for id in ids {
      let lock = try LayerLock.wait(
        for: id, in: store.layerLocks, holding: locks, patience: configuration.lockTimeout,
        onWait: configuration.onWait)
      if let lock { locks.append(lock) }
    }
    return locks
  }

  private static func plan(_ creations: [LayerCreation], _ store: Store, _ reusing: Bool)
    throws(StoreError) -> [Plan]
  {
    try store.layerStore.reading { state throws(StoreError) in
      var plans: [Plan] = []
      for creation in creations {
        plans.append(try plan(creation, after: plans, state.layers, store, reusing))
      }
      return plans
    }
  }

  private static func plan(
    _ creation: LayerCreation, after plans: [Plan], _ layers: RecordTable<LayerRecord>,
    _ store: Store, _ reusing: Bool
  ) throws(StoreError) -> Plan {
    if reusing, let id = creation.id {
      var there = layers[id]
      if there == nil { there = try store.findAdditionalLayer(id)?.record }
      if let there, there.id == id, !there.isIncomplete {
        if layers[id] == nil || store.hasContent(id) {
          return Plan(
            creation: creation, record: there, isThere: true, parentMappings: there.mappings)
        }
        let parent = try there.parent.map { key throws(StoreError) in
          try store.parentLayer(key, layers)
        }
        return Plan(
          creation: creation, record: there, isThere: false, isMended: true, parent: parent,
          parentMappings: parent?.mappings ?? there.mappings)
      }
    }
    let sibling = plans.first { $0.record.id == creation.parent && !$0.isThere && !$0.isMended }
    let (record, parent) = try store.plan(creation, layers, on: sibling?.record)
    try record.checkInsertion(into: layers)
    try store.refuseOtherMappings(record, parent)
    return Plan(
      creation: creation, record: record, isThere: false,
      parent: sibling == nil ? parent : nil, parentMappings: parent?.mappings ?? record.mappings)
  }

  /// The numbers of the layers that must be filled, parents first.
  package var missing: [Int] { plans.indices.filter { !plans[$0].isThere } }

  /// How many may well be filled side by side: each takes 10 MB of memory and 256 descriptors.
  package var preferredThreads: Int {
    guard store.driver.stagesIndependently else { return 1 }
    return max(1, min(availableCores, 4, (spareDescriptors() - 64) / 256))
  }

  /// Writes the content of a layer, from any thread; where the driver does not stage independently,
  /// parents first.
  ///
  /// Errors: what is wrong with the tar or is not as expected, and the disk's.
  package func fill(
    _ number: Int, content source: any ByteSource, expected: LayerExpectation,
    progress: ((Int64) -> Void)?
  ) throws(StoreError) {
    guard let places else { return }
    let plan = plans[number]
    var staged = try store.driver.stage(
      plan.record.id, in: places.content, on: base(of: plan), mappings: plan.record.mappings,
      parentMappings: plan.parentMappings)
    let directory = try staged.open()
    let tarSplit = TarSplitFile(in: places.tarSplits)
    let part = plan.creation.keptPart
    let keeper = part == .nothing ? nil : try BlobKeeper(source, part, in: places.tarSplits)
    let applied = try store.apply(
      keeper ?? source, to: directory.view, as: staged.target, tarSplit, plan.record, expected
    ) { bytes in
      for lock in self.locks { lock.touch() }
      progress?(bytes)
    }
    staged.rootIsGiven = applied.rootIsGiven
    let items = try keeper?.finish(applied.compression) ?? []
    contents.withLock {
      $0[number] = Content(staged: staged, tarSplit: tarSplit, items: items, applied: applied)
    }
  }

  private func base(of plan: Plan) -> StagingBase? {
    guard let parent = plan.record.parent else { return nil }
    let number = plans.firstIndex { $0.record.id == parent }
    let staged = number.flatMap { number in contents.withLock { $0[number]?.staged } }
    return staged.map { .staged($0) } ?? .layer(parent)
  }

  /// Makes the layers, which are all filled, under one hold of the layers' lock.
  ///
  /// Everything of them is on the disk before it is called complete. On failure none is made.
  ///
  /// Errors: `.layerUnknown` where a parent, or a layer that was there, has gone meanwhile: all is to be
  /// planned anew.
  package func commit() throws(StoreError) -> [Outcome] {
    guard let places else { return plans.map { ($0.record, false) } }
    let contents = contents.withLock { $0 }
    try store.synchronizeFileSystems(places.content.home, places.tarSplits.home)
    let outcome = try store.layerStore.writing { writer throws(StoreError) in
      var outcome: [Outcome] = []
      for (number, plan) in plans.enumerated() {
        outcome.append(try self.outcome(of: plan, contents[number], writer.layers))
      }
      var made: [String] = []
      var mended: [String] = []
      do throws(StoreError) {
        for (number, layer) in outcome.enumerated() where layer.record.isIncomplete {
          if layer.isNew {
            try writer.insert(layer.record, inImageStore: inImageStore)
            made.append(layer.record.id)
          } else {
            try writer.update(layer.record.id) { $0.isIncomplete = true }
            mended.append(layer.record.id)
          }
          // With it the layer before loses its mark: see the type's comment.
          try writer.save()
          let record = try put(plans[number], contents[number], layer.record)
          try writer.update(record.id) { $0 = record }
          outcome[number].record = record
        }
        // They have other short links now, which those that stand on them must know.
        if !mended.isEmpty {
          for id in writer.layers.ids { try? store.restack(id, writer.layers) }
        }
        if !made.isEmpty || !mended.isEmpty {
          try store.driver.synchronizeHome(inImageStore: inImageStore)
        }
        try writer.save()
        return outcome
      } catch {
        for id in made.reversed() { store.discard(id, &writer) }
        // As damaged as it was, and not yet lost to those that stand on it.
        for id in mended { try? writer.update(id) { $0.isIncomplete = false } }
        try? writer.save()
        throw error
      }
    }
    // The layers are there: what resists is for the next start.
    try? places.content.remove()
    try? places.tarSplits.remove()
    return outcome
  }

  /// The layer as it will be, marked incomplete, or the one that is there.
  private func outcome(
    of plan: Plan, _ content: Content?, _ layers: RecordTable<LayerRecord>
  ) throws(StoreError) -> Outcome {
    let known = reuses ? layers[plan.record.id] : nil
    if let known, !plan.isMended { return (known, false) }
    if plan.isThere { return (plan.record, false) }
    if plan.isMended, known == nil { throw StoreError(.layerUnknown) }
    guard let content else {
      throw StoreError(.usage, "layer \(plan.record.id) was not filled")
    }
    if let parent = plan.parent { try check(parent, plan, layers) }
    if known == nil { try plan.record.checkInsertion(into: layers) }
    var record = known ?? plan.record
    record.take(content.applied)
    record.isIncomplete = true
    return (record, known == nil)
  }

  /// Throws if the parent is not the one that the layer was planned for.
  private func check(_ parent: LayerRecord, _ plan: Plan, _ layers: RecordTable<LayerRecord>)
    throws(StoreError)
  {
    let now = try store.parentLayer(parent.id, layers)
    guard now.mappings == parent.mappings else {
      throw StoreError(
        .layerUnknown,
        "during staged layer apply, parent layer \(quoted(parent.id)) changed id mappings while the "
          + "content was extracted, must retry layer creation")
    }
    // Its content is part of the new layer's.
    if !store.driver.stagesIndependently, now.created != parent.created {
      throw StoreError(.layerUnknown)
    }
  }

  /// Moves everything of a layer into its place, and gives back the whole record.
  private func put(_ plan: Plan, _ content: Content?, _ record: LayerRecord)
    throws(StoreError) -> LayerRecord
  {
    guard let content else { return record }
    var record = record
    if plan.isMended {
      try store.driver.removeRemains(of: record.id)
    } else {
      record.bigDataNames = try store.write(plan.creation.data, toLayer: record.id)
    }
    for item in content.items {
      try item.move(toLayer: record.id)
      if !record.bigDataNames.contains(item.key) { record.bigDataNames.append(item.key) }
    }
    try store.driver.create(
      record.id, parent: record.parent, mappings: record.mappings,
      parentMappings: plan.parentMappings, inImageStore: inImageStore, content: content.staged)
    try content.tarSplit.move(toLayer: record.id)
    record.isIncomplete = false
    return record
  }
}

extension Store {
  /// Plans layers of an image, parents first; those that are there need not be filled.
  package func stage(_ creations: [LayerCreation]) throws(StoreError) -> StagedLayers {
    try StagedLayers(creations, in: self, reusing: true)
  }
}
