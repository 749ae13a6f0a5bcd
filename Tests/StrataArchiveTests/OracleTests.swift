import StrataArchive
import StrataModel
import StrataSystem
import StrataTestSupport
import Testing

/// Odd archives against Debian's containers-storage: the same tree, or both refuse; the bytes come
/// back; and its `diff` reads our tar-split.
///
/// Forty random trees are packed, 500 in a long run; `STRATA_ORACLE_SEEDS=FIRST-LAST` packs others.
@Suite(.serialized, .tags(.interop, .slow)) struct OracleTests {
  /// What no comparison can hold to: the folder that the peer makes for a global header's name.
  private static let ignored: Set<String> = ["PaxHeaders", "gl"]

  @Test(
    .needsRoot, .needsTool("containers-storage"), .needsTool("bsdtar"), .timeLimit(.minutes(40)))
  func agreesWithThePeer() throws {
    let scratch = try ScratchDirectory("oracle")
    let usual = environmentValue("STRATA_LONG") == "1" ? "0-500" : "0-40"
    let seeds = (environmentValue("STRATA_ORACLE_SEEDS") ?? usual).split(separator: "-")
    let script = packageFolder().appending("Tests/EndToEnd/lib/odd-archives.py").description
    let made = try runProgram(
      "python3", [script, scratch.path("tars").description] + seeds.map(String.init))
    try #require(made.status == 0, "\(made)")
    var (taken, refused) = (0, 0)
    for name in try scratch.tree("tars") {
      if try compare(name, scratch) { taken += 1 } else { refused += 1 }
    }
    // The makers must neither fail to make good archives nor to make bad ones.
    #expect(taken > 100 && refused > 50)
  }

  /// Whether both took the archive.
  private func compare(_ name: RawPath, _ scratch: ScratchDirectory) throws -> Bool {
    let label = Comment(rawValue: name.description)
    let tar = try scratch.read(name)
    try scratch.directory.removeTree("peer")
    let start = FileTime.now
    let peer = Peer(scratch)
    let layer = try peer.importLayer(name)
    defer { unmountAll(below: scratch.path) }
    let ours: AppliedTree
    do {
      ours = try AppliedTree(tar)
    } catch {
      #expect(layer == nil, "\(name): refused with \(error)")
      return false
    }
    #expect(try ours.assembled() == tar, label)
    guard let layer else {
      Issue.record("\(name): taken, though the peer refused it")
      return false
    }
    let theirs = try Snapshot(
      scratch.directory, RawPath("peer/root/overlay/\(layer)/diff"), start, Self.ignored)
    let mine = try Snapshot(ours.scratch.directory, "diff", start, Self.ignored)
    #expect(mine.lines == theirs.lines, label)
    // Its own reassembly of its own tree, by what we recorded.
    try scratch.write(
      RawPath("peer/root/overlay-layers/\(layer).tar-split.gz"), ours.tarSplit, mode: 0o600)
    #expect(try peer.diff(layer) == tar, label)
    return true
  }
}

/// The peer with a store of its own.
private struct Peer {
  private let scratch: ScratchDirectory

  init(_ scratch: ScratchDirectory) { self.scratch = scratch }

  private func run(_ arguments: [String]) throws -> ProgramResult {
    try runProgram(
      "containers-storage",
      [
        "--graph", scratch.path("peer/root").description,
        "--run", scratch.path("peer/run").description, "-s", "overlay",
        "--storage-opt", "overlay.mount_program=/usr/bin/fuse-overlayfs",
      ] + arguments)
  }

  /// The id of the new layer, or nil where it refuses.
  func importLayer(_ tar: RawPath) throws -> String? {
    let result = try run(["import-layer", "-f", scratch.path(tar).description])
    return result.status == 0 ? result.lines.first : nil
  }

  func diff(_ layer: String) throws -> [UInt8] {
    try run(["diff", "-u", layer]).stdout
  }
}

/// A tree as one line for each name, everything in it that a layer determines.
private struct Snapshot {
  private(set) var lines: [String] = []
  private var names: [UInt64: String] = [:]
  /// Times from here on are those of the extraction itself.
  private let start: FileTime

  init(
    _ directory: FileDescriptor, _ root: RawPath, _ start: FileTime, _ ignored: Set<String>
  ) throws {
    self.start = start
    try add(directory, root, "", ignored)
  }

  private mutating func add(
    _ directory: FileDescriptor, _ path: RawPath, _ shown: String, _ ignored: Set<String>
  ) throws {
    let opened = try directory.open(path, [.readOnly, .directory, .noFollow])
    let view = opened.view
    for entry in try view.entries().sorted(by: { $0.name < $1.name }) {
      let name = shown + "/" + escaped(entry.name)
      if shown.isEmpty, ignored.contains(entry.name.description) { continue }
      let status = try view.status(of: entry.name)
      var line = "\(name) \(String(status.mode, radix: 8)) \(status.uid):\(status.gid)"
      line += " \(text(status.modificationTime))"
      switch status.type {
      case .regular:
        // Of others the walk itself has changed the access time.
        line += " \(text(status.accessTime)) \(status.size)"
        if status.size < 1 << 26 { line += " \(try view.contents(of: entry.name).hashValue)" }
      case .symlink: line += " -> \(escaped(try view.readLink(entry.name)))"
      case .characterDevice, .blockDevice:
        line += " \(status.representedDevice.major):\(status.representedDevice.minor)"
      default: break
      }
      if status.type != .directory {
        line += " = \(names[status.inode] ?? "")"
        names[status.inode] = names[status.inode] ?? name
      }
      for xattr in try view.xattrNames(of: entry.name).sorted() where !isPrivate(xattr) {
        line += " \(xattr)=\(try view.xattr(xattr, of: entry.name))"
      }
      lines.append(line)
      if status.type == .directory { try add(view, entry.name, name, ignored) }
    }
  }

  private func text(_ time: FileTime) -> String {
    time >= start ? "now" : "\(time.seconds).\(time.nanoseconds)"
  }

  private func escaped(_ name: RawPath) -> String {
    name.bytes.map { (0x21..<0x7f).contains($0) ? String(UnicodeScalar($0)) : "%\($0)" }.joined()
  }

  /// What Strata leaves out, and the peer does not.
  private func isPrivate(_ name: RawPath) -> Bool {
    ["trusted.overlay.", "user.overlay.", "user.fuseoverlayfs.", "user.containers."]
      .contains { name.hasPrefix(RawPath($0)) }
  }
}
