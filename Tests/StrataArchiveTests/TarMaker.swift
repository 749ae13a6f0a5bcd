import StrataArchive
import StrataCompression
import StrataModel
import StrataSystem
import StrataTestSupport

/// Archives made entry by entry, and what becomes of them.
struct TarMaker {
  private let sink = ArraySink()
  private let writer: TarWriter

  init() { writer = TarWriter(sink) }

  @discardableResult
  func file(_ name: String, _ text: String = "hello\n", mode: Int64 = 0o644) throws -> TarMaker {
    try writer.append(TarHeader(name: name, mode: mode), bytes: Array(text.utf8))
    return self
  }

  @discardableResult
  func directory(_ name: String, mode: Int64 = 0o755) throws -> TarMaker {
    try writer.append(TarHeader(name: name, type: .directory, mode: mode))
    return self
  }

  @discardableResult
  func link(_ name: String, to target: String, hard: Bool = false) throws -> TarMaker {
    try writer.append(
      TarHeader(name: name, type: hard ? .hardLink : .symlink, linkName: Array(target.utf8)))
    return self
  }

  @discardableResult
  func entry(_ header: TarHeader) throws -> TarMaker {
    try writer.append(header)
    return self
  }

  func bytes() throws -> [UInt8] {
    try writer.finish()
    return sink.bytes
  }
}

/// A layer written into a folder of its own.
final class AppliedTree {
  let scratch: ScratchDirectory
  let layer: AppliedLayer
  let tarSplit: [UInt8]

  /// Applies `tar` to the folder `diff`, which is empty unless `before` fills it.
  ///
  /// The folder `outside` beside it holds one file, which must stay as it is.
  init(
    _ tar: [UInt8], _ options: ApplyOptions = ApplyOptions(),
    before: (ScratchDirectory) throws -> Void = { _ in }
  ) throws {
    scratch = try ScratchDirectory("layer")
    try scratch.makeDirectory("diff")
    try scratch.write("outside/file", "untouched")
    try before(scratch)
    let sink = ArraySink()
    let diff = try scratch.directory.open("diff", [.path, .directory])
    layer = try applyLayer(ArraySource(tar), to: diff.view, tarSplit: sink, options: options)
    tarSplit = sink.bytes
  }

  /// The layer's tar made again.
  func assembled(lowers: [RawPath] = []) throws -> [UInt8] {
    let sink = ArraySink()
    var directories: [SharedDescriptor] = []
    for name in [RawPath("diff")] + lowers {
      directories.append(SharedDescriptor(try scratch.directory.open(name, [.path, .directory])))
    }
    try assembleLayer(
      tarSplit: ArraySource(tarSplit), files: directories.map(\.view), to: sink)
    return sink.bytes
  }

  /// What is in the folder, relative to it.
  func names() throws -> [String] {
    try scratch.tree("diff").map { String($0.description.dropFirst(5)) }
  }

  func text(_ name: String) throws -> String { try scratch.text(RawPath("diff/\(name)")) }

  func status(_ name: String) throws -> FileStatus {
    try scratch.directory.status(of: RawPath("diff/\(name)"))
  }
}

/// What applying a tar throws; nil where it is taken.
func refusal(
  of tar: [UInt8], _ options: ApplyOptions = ApplyOptions()
) -> StreamError? {
  do {
    _ = try AppliedTree(tar, options)
    return nil
  } catch { return error as? StreamError }
}
