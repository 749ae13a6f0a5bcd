import StrataDrivers
public import StrataModel
import StrataPersistence
import StrataSystem

// The layers that one stands on, by the records, and what the driver itself keeps about that.
extension Store {
  /// The ids of the layers below one, nearest first, whichever store has them.
  ///
  /// Errors: `.layerUnknown` where one is missing, `damaged` where they run in a ring.
  func parents(of id: String, _ layers: RecordTable<LayerRecord>) throws(StoreError) -> [String] {
    var parents: [String] = []
    var seen: Set<String> = [id]
    var next = layers[id]?.parent
    while let id = next, !id.isEmpty {
      guard seen.insert(id).inserted else { throw .parentsInARing(id) }
      parents.append(id)
      var record = layers[id]
      if record == nil { record = try findAdditionalLayer(id)?.record }
      guard let record else { throw StoreError(.layerUnknown).wrapped("layer \(id)") }
      next = record.parent
    }
    return parents
  }

  /// As above; nil where one is missing, so that there is nothing to compare with.
  func knownParents(of id: String, _ layers: RecordTable<LayerRecord>) throws(StoreError)
    -> [String]?
  {
    do throws(StoreError) {
      return try parents(of: id, layers)
    } catch  where error.code == .layerUnknown {
      return nil
    }
  }

  /// Does so for all layers, those that it can.
  ///
  /// What is left is what `check` finds.
  public func restackAll() throws(StoreError) {
    try requireWritable()
    try layerStore.writing { writer throws(StoreError) in
      for id in writer.layers.ids {
        do throws(StoreError) { try restack(id, writer.layers) } catch {
          if error.isOfFullDisk { throw error }
        }
      }
    }
  }

  /// Makes the driver see the layers below one as the records have them, where it does not, and says so;
  /// under the layers' write lock.
  func restack(_ id: String, _ layers: RecordTable<LayerRecord>) throws(StoreError) {
    guard let parents = try knownParents(of: id, layers),
      let problem = try driver.stackProblems(of: id, on: parents).first
    else { return }
    try driver.restack(id, on: parents)
    warn("layer \(id.prefix(12)): \(problem): mended by the records")
  }
}

extension Store {
  /// Whether the content of an own layer is where it belongs, as far as its root shows.
  func hasContent(_ id: String) -> Bool {
    do throws(StoreError) {
      _ = try driver.openDiff(id)
      return true
    } catch {
      // It is in an additional layer store, or cannot be looked at.
      return driver.exists(id) && error.errno != .noSuchFileOrDirectory
    }
  }
}

extension StoreError {
  /// What no store comes to by itself: without it a walk down the layers would never end.
  package static func parentsInARing(_ id: String) -> StoreError {
    StoreError(.damaged, "the parents of layer \(id) form a ring")
  }
}
