import StrataImage
import StrataModel
import StrataStore
import StrataSystem
import StrataTestSupport
import Testing

@Suite(
  "Importing under hard conditions", .serialized, .tags(.root), .needsRoot,
  .needsTool("fuse-overlayfs"), .timeLimit(.minutes(5)))
struct HardImportTests {
  @Test("a full disk is one clear line, nothing stays, and the store works on")
  func fullDisk() throws {
    let lab = try ImageLab()
    let disk = try StoreFixture("image-full")
    try FileDescriptor.workingDirectory.makeDirectory(disk.graphRoot, mode: 0o700)
    try lab.run("mount", "-t", "tmpfs", "-o", "size=1m", "none", disk.graphRoot.description)
    var configuration = lab.store.configuration
    (configuration.graphRoot, configuration.runRoot) = (disk.graphRoot, disk.runRoot)
    let store = try Store(configuration)
    let small = try lab.layerTar("small.tar")
    let first = try importImage(.layerTar(RawPath(small)), into: store)
    try lab.scratch.write("tree/big", [UInt8](repeating: 7, count: 2 << 20))
    let big = try lab.layerTar("big.tar")
    let error = #expect(throws: StoreError.self) {
      try importImage(.layerTar(RawPath(big)), into: store)
    }
    #expect(error?.code == .system(28), "\(error?.message ?? "no error")")
    #expect(error?.message.contains("no space left on device") == true)
    #expect(try store.layers().map(\.id) == [first.layer])
    #expect(try disk.layerDirectories() == [RawPath(first.layer ?? "")])
    let again = try importImage(.layerTar(RawPath(small)), into: store)
    #expect(again.id == first.id)
  }

  @Test("two imports of one image at once both succeed and share the layers")
  func atOnce() async throws {
    let lab = try ImageLab()
    let layout = RawPath(try HandMadeImage(lab).write(lab))
    let store = lab.store
    let images = try await withThrowingTaskGroup(of: ImageRecord.self) { group in
      for number in 0..<4 {
        group.addTask {
          var options = ImportOptions()
          options.names = ["copy\(number)"]
          return try importImage(.ociLayout(layout, tag: nil), into: store, options: options)
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(Set(images.map(\.id)).count == 1)
    #expect(try store.layers().count == 2)
    #expect(try store.images().first?.names.count == 4)
  }

  @Test("an archive that is compressed as a whole is read too", arguments: ["gzip", "xz", "zstd"])
  func compressedArchive(program: String) throws {
    let lab = try ImageLab()
    let image = try importImage(
      .layerTar(RawPath(try lab.layerTar())), into: lab.store, options: named("x:1"))
    let archive = lab.path("image.tar")
    try exportImage("x:1", from: lab.store, to: .dockerArchive(RawPath(archive), name: nil))
    let packed = try lab.run(program, "-c", archive).stdout
    try write(packed, to: archive + ".z")
    _ = try lab.store.deleteImage(image.id)
    let again = try importImage(.detect(RawPath(archive + ".z")), into: lab.store)
    #expect(again.id == image.id)
    #expect(again.names == ["localhost/x:1"])
  }

  @Test("a layer that docker save wrote once and linked to is found")
  func linkedLayers() throws {
    let lab = try ImageLab()
    let image = try importImage(
      .layerTar(RawPath(try lab.layerTar())), into: lab.store, options: named("x:1"))
    let archive = lab.path("image.tar")
    try exportImage("x:1", from: lab.store, to: .dockerArchive(RawPath(archive), name: nil))
    _ = try lab.store.deleteImage(image.id)
    try lab.scratch.makeDirectory("open")
    try lab.run("tar", "-C", lab.path("open"), "-xf", archive)
    // The manifest points at the link in the old folder instead of at the file.
    let link = try #require(
      try lab.run("sh", "-c", "cd \(lab.path("open")) && ls -d */layer.tar").lines.first)
    try lab.run(
      "sh", "-c", "cd \(lab.path("open")) && sed -i 's|[0-9a-f]*[.]tar|\(link)|' manifest.json")
    try lab.run("tar", "-C", lab.path("open"), "-cf", archive, ".")
    #expect(try importImage(.detect(RawPath(archive)), into: lab.store).id == image.id)
  }

  @Test("progress tells of every layer, and of those that are skipped")
  func progress() throws {
    let lab = try ImageLab()
    let layout = RawPath(try HandMadeImage(lab).write(lab))
    let (first, second) = (Recorder(), Recorder())
    for recorder in [first, second] {
      var options = ImportOptions()
      options.progress = recorder
      _ = try importImage(.ociLayout(layout, tag: nil), into: lab.store, options: options)
    }
    // Layers are read side by side.
    #expect(first.lines.first == "planned 2" && first.lines.last == "finishing")
    #expect(
      first.lines.dropFirst().dropLast().sorted()
        == ["finished 0", "finished 1", "started 0", "started 1"])
    for number in 0..<2 {
      let lines = first.lines.filter { $0.hasSuffix("ed \(number)") }
      #expect(lines == ["started \(number)", "finished \(number)"])
    }
    #expect(second.lines == ["planned 2", "skipped 0", "skipped 1", "finishing"])
  }

  private func named(_ name: String) -> ImportOptions {
    var options = ImportOptions()
    options.names = [name]
    return options
  }
}

/// Keeps what a transfer reports, but for the bytes.
private final class Recorder: TransferProgress {
  var lines: [String] = []

  func report(_ event: TransferEvent) {
    switch event {
    case .planned(let layers): lines.append("planned \(layers.count)")
    case .skipped(let number): lines.append("skipped \(number)")
    case .started(let number): lines.append("started \(number)")
    case .advanced: break
    case .finished(let number): lines.append("finished \(number)")
    case .finishing: lines.append("finishing")
    }
  }
}
