import StrataModel
import StrataPersistence
import StrataSystem
import StrataTestSupport
import Testing

@Suite struct AtomicFileTests {
  private let scratch: ScratchDirectory

  init() throws { scratch = try ScratchDirectory("atomic") }

  @Test("The content is replaced, the mode set, nothing left beside it; the old inode lives on")
  func replaces() throws {
    let path = try scratch.write("f", "old", mode: 0o600)
    let open = try scratch.directory.open("f", .readOnly)
    let time = try AtomicFile.write(Array("new".utf8), to: path, mode: 0o640)
    #expect(try scratch.text("f") == "new")
    #expect(String(decoding: try open.view.readToEnd(), as: UTF8.self) == "old")
    #expect(try scratch.directory.status(of: "f").permissions == 0o640)
    #expect(try modificationTime(path) == time)
    #expect(try scratch.tree() == ["f"])
  }

  @Test("What a killed process left of a write is gone after the next one")
  func leftovers() throws {
    let path = try scratch.write("layers.json", "old")
    try scratch.write(".tmp-layers.json", "half")
    try AtomicFile.write(Array("new".utf8), to: path)
    #expect(try scratch.text("layers.json") == "new")
    #expect(try scratch.tree() == ["layers.json"])
  }

  @Test("A full disk leaves the old content and no temporary file", .needsRoot)
  func fullDisk() throws {
    let path = try scratch.makeDirectory("small")
    let mounted = try runProgram("mount", ["-t", "tmpfs", "-o", "size=64k", "t", path.description])
    try #require(mounted.status == 0, "\(mounted)")
    defer { unmountAll(below: scratch.path) }
    let file = try scratch.write("small/layers.json", "[]")
    #expect {
      try AtomicFile.write([UInt8](repeating: 0x20, count: 1 << 20), to: file)
    } throws: {
      "\($0)" == "write \(file): no space left on device"
    }
    #expect(try scratch.text("small/layers.json") == "[]")
    #expect(try scratch.tree("small") == ["small/layers.json"])
  }

  @Test("A missing directory is named")
  func missing() throws {
    #expect {
      try AtomicFile.write([], to: scratch.path("none/f"))
    } throws: {
      "\($0)" == "open \(scratch.path("none")): no such file or directory"
    }
  }
}

@Suite struct BigDataDirectoryTests {
  /// The table of storage-format 1.6, measured with the peer.
  @Test(
    "File names are the peer's",
    arguments: [
      ("manifest", "manifest"), ("Signature", "=U2lnbmF0dXJl"),
      ("signature-1.0", "=c2lnbmF0dXJlLTEuMA=="), ("Some Key", "=U29tZSBLZXk="),
      ("img:latest", "=aW1nOmxhdGVzdA=="), ("a", "a"), ("A", "=QQ=="), ("Ab", "=QWI="),
    ])
  func names(key: String, file: String) {
    #expect(BigDataDirectory.fileName(key) == RawPath(file))
  }

  @Test func items() throws {
    let scratch = try ScratchDirectory("data")
    let data = BigDataDirectory(path: scratch.path("id"))
    // Base64 with a slash: the first is cleaned to a name, the second leads nowhere, as for the peer.
    try data.write("???", [1, 2, 3], kind: "layer")
    #expect(try data.read("???") == [1, 2, 3])
    #expect(try scratch.tree() == ["id", "id/=Pz8"])
    #expect(throws: StoreError.self) { try data.write("???a", [], kind: "layer") }
    #expect {
      try data.write("", [], kind: "image")
    } throws: {
      "\($0)"
        == "can't set empty name for image big data item: not a valid name for a big data item"
    }
    #expect(throws: StoreError.self) { try data.write("..", [], kind: "layer") }
    #expect {
      _ = try data.read("nosuch")
    } throws: {
      ($0 as? StoreError)?.code == .fileMissing
    }
    try data.remove("nosuch")
    try data.removeAll()
    #expect(try scratch.tree().isEmpty)
    try data.removeAll()
  }
}

@Suite struct MountpointsFileTests {
  @Test("Changes are saved with a token, others see them, nothing changed is nothing written")
  func changes() throws {
    let scratch = try ScratchDirectory("mounts")
    let file = try MountpointsFile(directory: scratch.path)
    let other = try MountpointsFile(directory: scratch.path)
    var mine = MountpointsFile.State()
    var theirs = MountpointsFile.State()
    try file.change(&mine) { table in table.set("l1", path: "/a//b/", count: 1) }
    #expect(try scratch.text("mountpoints.json") == ##"[{"id":"l1","path":"/a/b","count":1}]"##)
    try other.change(&theirs) { table in
      table.set("l1", path: "/a/b", count: (table["l1"]?.count ?? 0) + 1)
    }
    try file.refresh(&mine)
    #expect(mine.table["l1"]?.count == 2)
    #expect(mine.table.mount(at: "/a/b/.")?.id == "l1")
    let token = try scratch.read("mountpoints.lock")
    #expect(token.count == 64)
    try file.change(&mine) { _ in }
    #expect(try scratch.read("mountpoints.lock") == token)
    #expect(throws: StoreError.self) {
      try file.change(&mine) { table throws(StoreError) in
        table.set("l2", path: "/x", count: 1)
        throw StoreError(.usage)
      }
    }
    #expect(mine.table["l2"] == nil)
    try file.change(&mine) { table in table.set("l1", path: "", count: 0) }
    #expect(try scratch.text("mountpoints.json") == "[]")
  }
}
