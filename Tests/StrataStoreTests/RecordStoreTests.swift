import StrataModel
import StrataPersistence
import StrataStore
import StrataSystem
import StrataTestSupport
import Synchronization
import Testing

/// The record stores on a folder of their own, without the façade.
private struct Records {
  let scratch: ScratchDirectory
  let removed = Removed()

  init() throws { scratch = try ScratchDirectory("records") }

  func layers(fails: Bool = false, readOnly: Bool = false) throws -> LayerStore {
    let removed = self.removed
    return try LayerStore(
      LayerStore.Locations(
        directory: scratch.path("g/overlay-layers"), runDirectory: scratch.path("r/overlay-layers")),
      readOnly: readOnly
    ) { layer throws(StoreError) in
      if fails { throw StoreError(.system(1), "no") }
      removed.ids.withLock { $0.append(layer.id) }
    }
  }

  func images(readOnly: Bool = false) throws -> ImageStore {
    try ImageStore(directory: scratch.path("g/overlay-images"), readOnly: readOnly)
  }

  func layersText() throws -> String { try scratch.text("g/overlay-layers/layers.json") }
}

private final class Removed: Sendable {
  let ids = Mutex<[String]>([])
}

private func layer(_ id: String) -> LayerRecord { LayerRecord(id: id, created: .zero) }

@Suite struct RecordStoreTests {
  private let records: Records

  init() throws { records = try Records() }

  @Test("A writer's change is what the next reader of another store sees; tokens change with it")
  func twoStores() throws {
    let ours = try records.layers()
    let other = try records.layers()
    #expect(try other.reading { state in state.layers.count } == 0)
    try ours.writing { writer throws(StoreError) in try writer.insert(layer("a")) }
    let token = try records.scratch.read("g/overlay-layers/layers.lock")
    #expect(token.count == 64)
    #expect(try other.reading { state in state.layers.ids } == ["a"])
    try other.writing { (_: inout LayerWriter) throws(StoreError) in }
    #expect(try records.scratch.read("g/overlay-layers/layers.lock") == token)
    let status = try records.scratch.directory.status(of: "g/overlay-layers/layers.json")
    #expect(status.permissions == 0o600)
  }

  @Test("What a writer throws away has never happened; what it saved stays")
  func thrown() throws {
    let store = try records.layers()
    #expect(throws: StoreError.self) {
      try store.writing { writer throws(StoreError) in
        try writer.insert(layer("a"))
        try writer.save()
        try writer.insert(layer("b"))
        throw StoreError(.usage)
      }
    }
    #expect(try store.reading { state in state.layers.ids } == ["a"])
    #expect(try records.layers().reading { state in state.layers.ids } == ["a"])
  }

  @Test("A change with an old token, as versions up to 1.46 leave after a crash, is noticed")
  func oldToken() throws {
    let store = try records.layers()
    try store.writing { writer throws(StoreError) in try writer.insert(layer("a")) }
    try AtomicFile.write(
      Array(##"[{"id":"b","created":"0001-01-01T00:00:00Z"}]"##.utf8),
      to: records.scratch.path("g/overlay-layers/layers.json"))
    #expect(try store.reading { state in state.layers.ids } == ["b"])
  }

  @Test("A reader lets incomplete layers and doubled names be mended, and sees the result")
  func repair() throws {
    try records.scratch.write(
      "g/overlay-layers/layers.json",
      ##"[{"id":"a","names":["n"],"created":"0001-01-01T00:00:00Z"},"##
        + ##"{"id":"b","created":"0001-01-01T00:00:00Z","flags":{"incomplete":true}},"##
        + ##"{"id":"c","names":["n"],"created":"0001-01-01T00:00:00Z","flags":{"incomplete":1}}]"##)
    try records.scratch.write("g/overlay-layers/b.tar-split.gz", "x")
    try records.scratch.write("g/overlay-layers/b/key", "x")
    let store = try records.layers()
    let seen = try store.reading { state in state.layers.records }
    #expect(seen.map(\.id) == ["a", "c"])
    #expect(seen.map(\.names) == [[], ["n"]])
    #expect(records.removed.ids.withLock { $0 } == ["b"])
    #expect(
      try records.layersText()
        == ##"[{"id":"a","created":"0001-01-01T00:00:00Z"},"##
        + ##"{"id":"c","names":["n"],"created":"0001-01-01T00:00:00Z","flags":{"incomplete":1}}]"##)
    let left = try records.scratch.tree("g/overlay-layers").map(\.description)
    #expect(left == ["g/overlay-layers/layers.json", "g/overlay-layers/layers.lock"])
  }

  @Test("An incomplete layer that cannot be removed is an error that names it, and stays recorded")
  func repairFails() throws {
    let text = ##"[{"id":"b","created":"0001-01-01T00:00:00Z","flags":{"incomplete":true}}]"##
    try records.scratch.write("g/overlay-layers/layers.json", text)
    let store = try records.layers(fails: true)
    #expect {
      _ = try store.reading { state in state.layers.count }
    } throws: {
      "\($0)" == ##"deleting layer "b": no"##
    }
    #expect(try records.layersText() == text)
  }

  @Test("A read-only store lists what is incomplete and refuses doubled names and writers")
  func readOnly() throws {
    try records.scratch.write(
      "g/overlay-layers/layers.json",
      ##"[{"id":"b","created":"0001-01-01T00:00:00Z","flags":{"incomplete":true}}]"##)
    let store = try records.layers(readOnly: true)
    #expect(try store.reading { state in state.layers.ids } == ["b"])
    #expect {
      try store.writing { (_: inout LayerWriter) throws(StoreError) in }
    } throws: {
      ($0 as? StoreError)?.code == .storeIsReadOnly
    }
    try records.scratch.write(
      "g/overlay-images/images.json",
      ##"[{"id":"a","names":["n"],"created":"0001-01-01T00:00:00Z"},"##
        + ##"{"id":"b","names":["n"],"created":"0001-01-01T00:00:00Z"}]"##)
    #expect {
      _ = try records.images(readOnly: true).reading { images in images.count }
    } throws: {
      "\($0)" == "read-only image store assigns the same name to multiple images"
    }
  }

  @Test("A file that does not parse stops readers and writers and is not rewritten")
  func damaged() throws {
    try records.scratch.write("g/overlay-images/images.json", "[{")
    let store = try records.images()
    for _ in 0..<2 {
      #expect {
        _ = try store.reading { images in images.count }
      } throws: {
        "\($0)".hasPrefix("loading \"\(records.scratch.path("g/overlay-images/images.json"))\": ")
      }
      #expect(throws: StoreError.self) {
        try store.writing { writer throws(StoreError) in
          try writer.insert(ImageRecord(id: "i", created: .zero))
        }
      }
    }
    #expect(try records.scratch.text("g/overlay-images/images.json") == "[{")
    try records.scratch.write("g/overlay-images/images.json", "")
    #expect(try store.reading { images in images.count } == 0)
  }

  @Test("Names of images: history, taking, adding in front")
  func imageNames() throws {
    let store = try records.images()
    try store.writing { writer throws(StoreError) in
      try writer.insert(ImageRecord(id: "a", created: .zero))
      try writer.insert(ImageRecord(id: "b", created: .zero))
      try writer.changeNames(of: "a", .set, ["x", "y", "x"])
      try writer.changeNames(of: "b", .add, ["y"])
      try writer.changeNames(of: "a", .add, ["z"])
    }
    let images = try records.images().reading { images in images.records }
    #expect(images.map(\.names) == [["z", "x"], ["y"]])
    #expect(images.map(\.namesHistory) == [["x", "z", "y"], ["y"]])
    #expect {
      try store.writing { writer throws(StoreError) in
        var image = ImageRecord(id: "c", created: .zero)
        image.names = ["x"]
        try writer.insert(image)
      }
    } throws: {
      "\($0)"
        == ##"image name "x" is already associated with image "a": that name is already in use"##
    }
  }

  @Test("A read-only disk, and a locked directory: one line, nothing written", .needsRoot)
  func readOnlyDisk() throws {
    let store = try records.layers()
    try store.writing { writer throws(StoreError) in try writer.insert(layer("a")) }
    let root = records.scratch.path("g").description
    let bound = try runProgram("mount", ["--bind", root, root])
    try #require(bound.status == 0, "\(bound)")
    let sealed = try runProgram("mount", ["-o", "remount,bind,ro", root])
    try #require(sealed.status == 0, "\(sealed)")
    defer { unmountAll(below: records.scratch.path) }
    #expect {
      try store.writing { writer throws(StoreError) in try writer.insert(layer("b")) }
    } throws: {
      "\($0)" == "open \(root)/overlay-layers/layers.lock: read-only file system"
    }
    #expect(try records.layers(readOnly: true).reading { state in state.layers.ids } == ["a"])
  }
}
