import StrataSystem
import StrataTestSupport
import Testing

@Suite(
  "One graph root, two programs", .serialized, .tags(.interop, .root, .fuse), .needsRoot,
  .needsFuse, .needsBuilt("strata"), .needsBuilt("strata-overlay"),
  .needsTool("containers-storage"), .timeLimit(.minutes(5)))
struct InteropTests {
  @Test("what one writes both list alike", arguments: Program.allCases)
  func records(writer: Program) throws {
    let both = try TwoPrograms()
    let base = try both.create(
      writer, ["import-layer", "--name", "base"], input: try both.layerTar("a", "a"))
    let top = try both.create(
      writer.other, ["import-layer", base], input: try both.layerTar("b", "b"))
    let image = try both.create(
      writer,
      ["create-image", "--name", "localhost/x:latest", "--metadata", "<&>\u{2028} \"quoted\"", top])
    try both.create(writer.other, ["create-container", "--name", "one", image])
    for verb in ["layers", "images", "containers"] {
      let (ours, theirs) = (
        try both.run(.strata, [verb, "--json"]).stdout,
        try both.run(.containersStorage, [verb, "--json"]).stdout
      )
      #expect(ours == theirs, "\(verb) --json differs")
    }
  }

  @Test("each write leaves a new token for the other", arguments: Program.allCases)
  func tokens(writer: Program) throws {
    let both = try TwoPrograms()
    try both.create(writer, ["create-layer"])
    let lock: RawPath = "root/overlay-layers/layers.lock"
    let first = try both.store.scratch.read(lock)
    try both.create(writer.other, ["create-layer"])
    let second = try both.store.scratch.read(lock)
    #expect(first.count == 64 && second.count == 64)
    #expect(first != second)
  }

  @Test("each gives back the tar that the other took in", arguments: Program.allCases)
  func tars(writer: Program) throws {
    let both = try TwoPrograms()
    let tar = try both.layerTar("a", "a")
    let layer = try both.create(writer, ["import-layer"], input: tar)
    #expect(try both.run(writer.other, ["diff", "-u", layer]).stdout == tar)
  }

  @Test("mounts are counted across the two", arguments: Program.allCases)
  func mounts(first: Program) throws {
    let both = try TwoPrograms()
    let base = try both.create(
      first, ["import-layer"], input: try both.layerTar("a", "mounted"))
    let layer = try both.create(first, ["create-layer", base])
    let point = try #require(try both.run(first, ["mount", layer]).lines.first)
    #expect(try both.run(first.other, ["mount", layer]).lines.first == point)
    #expect(try both.store.containerMounts().count == 1)
    let hostname = try both.store.scratch.directory.contents(of: RawPath(point + "/etc/hostname"))
    #expect(hostname == Array("mounted".utf8))
    try both.run(first, ["unmount", layer])
    #expect(try both.store.containerMounts().count == 1)
    try both.run(first.other, ["unmount", layer])
    #expect(try both.store.containerMounts().isEmpty)
  }

  @Test("what one deletes is gone for the other, and from the disk", arguments: Program.allCases)
  func deletion(writer: Program) throws {
    let both = try TwoPrograms()
    let layer = try both.create(
      writer, ["import-layer"], input: try both.layerTar("a", "a"))
    #expect(try both.store.layerDirectories() == [RawPath(layer)])
    try both.run(writer.other, ["delete-layer", layer])
    #expect(try both.run(writer, ["layers", "--json"]).output == "[]\n")
    #expect(try both.store.layerDirectories().isEmpty)
  }
}
