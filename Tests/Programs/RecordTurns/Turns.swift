import StrataJSON
import StrataModel
import StrataPersistence
import StrataStore
import StrataSystem

/// The three stores of one graph root.
struct Stores {
  let layers: LayerStore
  let images: ImageStore
  let containers: ContainerStore

  init(_ graphRoot: String, _ runRoot: String) throws(StoreError) {
    let graph = RawPath(graphRoot)
    let run = RawPath(runRoot)
    layers = try LayerStore(
      LayerStore.Locations(
        directory: graph.appending("overlay-layers"), runDirectory: run.appending("overlay-layers"))
    ) { layer throws(StoreError) in
      do throws(Errno) {
        let home = graph.appending("overlay")
        try FileDescriptor.workingDirectory.removeTree(home.appending(RawPath(layer.id)))
      } catch {
        throw StoreError(error, "removing layer \(layer.id)")
      }
    }
    images = try ImageStore(directory: graph.appending("overlay-images"))
    containers = try ContainerStore(
      directory: graph.appending("overlay-containers"),
      runDirectory: run.appending("overlay-containers"))
  }
}

/// `list G R`, `load G R`, `make-layer G R ID`, or `turns G R PREFIX COUNT`.
func run(_ arguments: [String]) throws(StoreError) {
  guard arguments.count >= 3 else { throw StoreError(.usage, "VERB GRAPHROOT RUNROOT …") }
  let stores = try Stores(arguments[1], arguments[2])
  switch arguments[0] {
  case "list": try list(stores)
  case "load":
    for _ in 0..<(arguments.count > 3 ? Int(arguments[3]) ?? 1 : 1) {
      let fresh = try Stores(arguments[1], arguments[2])
      let start = monotonicNanoseconds()
      let count = try fresh.layers.reading { state throws(StoreError) in state.layers.count }
      say("\(count) layers in \((monotonicNanoseconds() - start) / 1000) us")
    }
  case "make-layer":
    let record = LayerRecord(id: arguments[3], created: .now)
    try stores.layers.writing { writer throws(StoreError) in try writer.insert(record) }
  case "turns":
    try turns(stores, prefix: arguments[3], count: Int(arguments[4]) ?? 0)
  default: throw StoreError(.usage, "unknown verb \(arguments[0])")
  }
}

/// Every record in the spelling that it would be written in, one a line, with its kind.
private func list(_ stores: Stores) throws(StoreError) {
  func show(_ kind: String, _ record: some JSONRecord) {
    say("\(kind) " + String(decoding: record.encoded(), as: UTF8.self))
  }
  try stores.layers.reading { state throws(StoreError) in
    state.layers.forEach { show("layer", $0) }
    for mount in state.mounts.records { show("mount", mount) }
  }
  try stores.images.reading { images throws(StoreError) in images.forEach { show("image", $0) } }
  try stores.containers.reading { containers throws(StoreError) in
    containers.forEach { show("container", $0) }
  }
}

/// Makes layers, each with a name, metadata and a second name in steps of their own, and says after
/// each step what it has done: what was said must never be lost.
private func turns(_ stores: Stores, prefix: String, count: Int) throws(StoreError) {
  for turn in 0..<count {
    let id = Identifiers.newID(randomBytes)
    let name = "\(prefix)-\(turn)"
    try stores.layers.writing { writer throws(StoreError) in
      var record = LayerRecord(id: id, created: .now)
      record.names = [name]
      record.isIncomplete = true
      try writer.insert(record)
      try writer.save()
      try writer.update(id) { $0.isIncomplete = false }
    }
    say("layer \(id) \(name)")
    try stores.layers.writing { writer throws(StoreError) in
      try writer.update(id) { $0.metadata = name }
    }
    say("metadata \(id) \(name)")
    try stores.layers.writing { writer throws(StoreError) in
      _ = try writer.changeNames(of: id, .add, ["\(name)-more"])
    }
    say("name \(id) \(name)-more")
    let image = Identifiers.newID(randomBytes)
    try stores.images.writing { writer throws(StoreError) in
      try writer.insert(ImageRecord(id: image, layer: id, created: .now))
      try writer.setData(
        "manifest", Array(name.utf8), digest: .ofNothing, of: image)
      _ = try writer.changeNames(of: image, .set, [name])
    }
    say("image \(image) \(name)")
  }
}

extension Timestamp {
  fileprivate static var now: Timestamp {
    let time = FileTime.now
    return Timestamp(seconds: time.seconds, nanoseconds: time.nanoseconds)
  }
}

/// A line on standard output, there at once: a process that is killed has said what it has said.
func say(_ line: String) {
  try? FileDescriptor.standardOutput.writeAll(Array((line + "\n").utf8))
}
