import StrataDrivers
package import StrataModel
package import StrataPersistence
import StrataSystem
import Synchronization

/// The layers and mounts as they were when the door was opened.
///
/// A value: it may be kept and looked at after the lock is gone, but what it says may be over then.
package struct LayerState: Sendable {
  /// The records.
  package let layers: RecordTable<LayerRecord>
  /// The mounts; none for an additional image store.
  package let mounts: MountTable

  /// The layer of an id, a name or a prefix of one id.
  package func find(_ key: String) -> LayerRecord? { layers.find(key) }

  /// The layers right on top of one.
  package func children(of id: String) -> [LayerRecord] { layers.children(of: id) }

  /// How many users the mount of a layer has.
  package func mountCount(_ id: String) -> Int { mounts[id]?.count ?? 0 }

  /// The mounts that somebody uses.
  package var usedMounts: [MountRecord] { mounts.records.filter { $0.count > 0 } }
}

extension LayerStore {
  /// Runs `body` with the layers and mounts under the shared lock, as the last writer left them.
  package func reading<Result: ~Copyable>(
    _ body: (LayerState) throws(StoreError) -> Result
  ) throws(StoreError) -> Result {
    try core.reading { table throws(StoreError) in
      try body(LayerState(layers: table, mounts: try currentMounts()))
    }
  }

  /// Runs `body` with the right to change layers and mounts.
  ///
  /// What it changed in records is saved when it returns; if it throws, only what it saved itself
  /// stays. Incomplete layers that others left are gone before it starts. The files of layers that it
  /// removes go when the lock is gone.
  ///
  /// Errors: `.storeIsReadOnly` for an additional image store, and what a load gives.
  package func writing<Result: ~Copyable>(
    _ body: (inout LayerWriter) throws(StoreError) -> Result
  ) throws(StoreError) -> Result {
    if isReadOnly {
      throw StoreError(.storeIsReadOnly).wrapped(
        "not allowed to modify the layer store at \(quoted(locations.directory.description))")
    }
    let removals = Removals()
    do throws(StoreError) {
      var writer = LayerWriter(store: self, core: try core.openForWriting(), removals: removals)
      let result = try body(&writer)
      try writer.save()
      writer.end()
      try removals.finish()
      return result
    } catch {
      // The first error is the cause; what was removed until then is removed.
      try? removals.finish()
      throw error
    }
  }

  /// The mounts, read anew if somebody has written them: without the layers.
  func currentMounts() throws(StoreError) -> MountTable {
    guard let mountpoints else { return MountTable() }
    var state = mountState.withLock { $0 }
    try mountpoints.refresh(&state)
    mountState.withLock { $0 = state }
    return state.table
  }
}
