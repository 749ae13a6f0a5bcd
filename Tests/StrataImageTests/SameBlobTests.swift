import StrataCompression
import StrataImage
import StrataModel
import StrataStore
import StrataSystem
import StrataTestSupport
import Testing

@Suite(
  "A layer is given out as the blob that it came as", .tags(.root), .needsRoot,
  .needsTool("fuse-overlayfs"), .needsTool("pigz"), .needsTool("skopeo"), .timeLimit(.minutes(3)))
struct SameBlobTests {
  /// Longer than what is tried first, with text, noise and zeros.
  private func tar() throws -> [UInt8] {
    let sink = ArraySink()
    var seed: UInt32 = 5
    let folder = try ScratchDirectory("same-blob")
    for number in 0..<40 {
      let bytes = (0..<70_000).map { index -> UInt8 in
        seed = seed &* 1_664_525 &+ 1_013_904_223
        return index % 700 < 300 ? UInt8(truncatingIfNeeded: seed >> 24) : UInt8(index / 7 % 90)
      }
      try write(bytes, to: folder.path(RawPath("file\(number)")).description)
    }
    try sink.write(
      try runProgram("tar", ["c", "--sort=name", "-C", folder.path.description, "."]).stdout)
    return sink.bytes
  }

  private func roundTrip(_ packed: [UInt8], _ options: ImportOptions = ImportOptions()) throws -> (
    same: Bool, warnings: Int
  ) {
    let lab = try ImageLab()
    let path = lab.path("layer.tar.z")
    try write(packed, to: path)
    let image = try importImage(ImageSource(path), into: lab.store, options: options)
    let (out, warnings) = (lab.path("out"), Warnings())
    var configuration = lab.store.configuration
    configuration.onWarning = { warnings.add($0) }
    try exportImage(
      image.id, from: try Store(configuration), to: .ociLayout(RawPath(out), tag: "v"))
    let blob = RawPath(out).appending("blobs/sha256/").appending(RawPath(sha256(packed).hex))
    return (try FileDescriptor.workingDirectory.exists(blob), warnings.count)
  }

  @Test(
    "compressors that are at hand make the same bytes again",
    arguments: [
      "gzip -n -1", "gzip -n -6", "gzip -N -9", "pigz -n -p 2 -1", "pigz -p 3", "pigz -n -p 2 -9",
      "pigz -p 1", "zstd -q -1", "zstd -q -3", "zstd -q -19",
      "zstd -q --single-thread -7", "zstd -q --no-check -3",
      "python3 -c 'import gzip,sys; sys.stdout.buffer.write(gzip.compress(sys.stdin.buffer.read(),6))'",
      "python3 -c 'import gzip,sys; sys.stdout.buffer.write(gzip.compress(sys.stdin.buffer.read(),1))'",
    ])
  func again(command: String) throws {
    let packed = try runProgram("bash", ["-c", command + " | cat"], input: try tar()).stdout
    let result = try roundTrip(packed)
    #expect(result.same && result.warnings == 0)
  }

  @Test("our own gzip and zstd too, short ones and empty ones", arguments: [0, 10_240, 1 << 22])
  func own(size: Int) throws {
    let tar = Array(try tar().prefix(size)) + [UInt8](repeating: 0, count: 1024)
    let plain = size == 10_240 ? [UInt8](repeating: 0, count: 10_240) : tar
    let (gzip, zstd) = (ArraySink(), ArraySink())
    for sink in [ParallelGzipSink(to: gzip), ZstdSink(to: zstd)] as [any FinishingSink] {
      try sink.write(plain)
      try sink.finish()
    }
    for packed in [gzip.bytes, zstd.bytes] {
      let result = try roundTrip(packed)
      #expect(result.same && result.warnings == 0)
    }
  }

  /// Two members are nothing that one of the writers makes.
  @Test("what cannot be made again is told of in one line, unless it was kept")
  func kept() throws {
    let tar = try tar()
    let packed =
      try runProgram("gzip", ["-n", "-c"], input: Array(tar[..<2_000_000])).stdout
      + runProgram("gzip", ["-n", "-c"], input: Array(tar[2_000_000...])).stdout
    let other = try roundTrip(packed)
    #expect(!other.same && other.warnings == 1)
    var options = ImportOptions()
    options.keepsBlobs = true
    let kept = try roundTrip(packed, options)
    #expect(kept.same && kept.warnings == 0)
  }

  private final class Warnings: Sendable {
    private let lines = Monitor<[String]>([])
    func add(_ line: String) { lines.change { $0.append(line) } }
    var count: Int { lines.change { $0.count } }
  }
}
