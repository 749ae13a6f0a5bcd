import StrataDrivers
public import StrataModel
import StrataPersistence
import StrataSystem

extension Store {
  /// Removes what a check has found damaged: containers if that is allowed, then images, then layers,
  /// the topmost first, and at last directories that no record names.
  ///
  /// Images can be pulled or built again, what was written in a container cannot.
  ///
  /// - Returns: What could not be removed.
  public func repair(_ report: CheckReport, removingContainers: Bool) -> [StoreError] {
    var failures: [StoreError] = []
    func attempt(_ what: String, _ body: () throws(StoreError) -> Void) {
      do throws(StoreError) {
        try body()
      } catch {
        let isGone: [StoreError.Code] = [
          .containerUnknown, .notAContainer, .imageUnknown, .notAnImage, .layerUnknown, .notALayer,
        ]
        if !isGone.contains(error.code) { failures.append(error.wrapped(what)) }
      }
    }
    if removingContainers {
      for id in report.containers.ids {
        attempt("deleting container \(id)") { () throws(StoreError) in try deleteContainer(id) }
      }
    }
    for id in report.images.ids {
      attempt("deleting image \(id)") { () throws(StoreError) in try deleteImage(id) }
    }
    let damaged = Set(report.layers.ids)
    for id in repairOrder(report) {
      let isUnaccounted = report.layers[id].contains { $0.isUnaccounted }
      attempt(isUnaccounted ? "deleting storage layer \(id)" : "deleting layer \(id)") {
        () throws(StoreError) in
        if isUnaccounted {
          try removeUnrecorded(id)
        } else {
          // Where parents run in a ring each is the other's child.
          try deleteLayer(id, ignoringChildren: damaged)
        }
      }
    }
    return failures
  }

  /// Layers with records before those without, each before its parent.
  private func repairOrder(_ report: CheckReport) -> [String] {
    func depth(_ id: String) -> Int {
      var depth = 0
      var next = report.parents[id]
      while let parent = next, depth <= report.parents.count {
        depth += 1
        next = report.parents[parent]
      }
      return depth
    }
    let ranked = report.layers.ids.enumerated().map { index, id in
      (
        id: id, unaccounted: report.layers[id].contains { $0.isUnaccounted }, depth: depth(id),
        index
      )
    }
    return ranked.sorted { a, b in
      if a.unaccounted != b.unaccounted { return b.unaccounted }
      return (a.depth, b.3) > (b.depth, a.3)
    }.map(\.id)
  }

  /// Removes a directory of the driver unless somebody has made a record for it meanwhile.
  private func removeUnrecorded(_ id: String) throws(StoreError) {
    try requireWritable()
    try layerStore.writing { layers throws(StoreError) in
      let elsewhere = try recordsElsewhere().layers
      if layers.layers[id] == nil, elsewhere[id] == nil { try driver.remove(id) }
    }
  }
}

extension Store {
  /// The layers that no image and no container stands on and that are older than so many seconds, each
  /// before its parent.
  ///
  /// A younger one may belong to an image that is just being written.
  public func unusedLayers(olderThan age: Int64) throws(StoreError) -> [String] {
    let (layers, elsewhere) = try layerStore.reading { state throws(StoreError) in
      (state.layers.records, try recordsElsewhere().layers.records)
    }
    let parents = Dictionary(layers.map { ($0.id, $0.parent) }) { first, _ in first }
    var used: Set<String> = []
    let tops =
      try images().flatMap { [$0.layer].compactMap { $0 } + $0.mappedLayers }
      + containers().map(\.layer) + elsewhere.compactMap(\.parent)
    let young = layers.filter { $0.created.seconds + age > now().seconds }.map(\.id)
    for top in tops + young {
      var next: String? = top
      while let id = next, used.insert(id).inserted { next = parents[id] ?? nil }
    }
    var left = layers.map(\.id).filter { !used.contains($0) }
    // Those without children left come first, again and again.
    var ordered: [String] = []
    while !left.isEmpty {
      let inner = Set(left.compactMap { parents[$0] ?? nil })
      let leaves = left.filter { !inner.contains($0) }
      if leaves.isEmpty { break }
      ordered += leaves
      left.removeAll { !inner.contains($0) }
    }
    return ordered
  }
}
