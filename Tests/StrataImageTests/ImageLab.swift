import StrataDigest
import StrataImage
import StrataJSON
import StrataModel
import StrataStore
import StrataSystem
import StrataTestSupport
import Testing

/// A place for one test: images made by the real tools, a store of ours, a store of podman's.
final class ImageLab {
  let scratch: ScratchDirectory
  /// The root that Strata imports into.
  let ours: StoreFixture
  /// The root that podman imports into.
  let theirs: StoreFixture
  let store: Store

  static let mountProgram: RawPath = "/usr/bin/fuse-overlayfs"

  init() throws {
    ours = try StoreFixture("image-ours")
    theirs = try StoreFixture("image-theirs")
    scratch = try ScratchDirectory("image")
    store = try Store(
      StoreConfiguration(
        graphRoot: ours.graphRoot, runRoot: ours.runRoot,
        driverOptions: ["overlay.mount_program=\(Self.mountProgram)"]))
  }

  func path(_ name: String) -> String { scratch.path(RawPath(name)).description }

  /// Runs a program that must succeed.
  @discardableResult
  func run(_ program: String, _ arguments: String..., input: [UInt8] = []) throws -> ProgramResult {
    try run(program, arguments, input: input)
  }

  @discardableResult
  func run(_ program: String, _ arguments: [String], input: [UInt8] = []) throws -> ProgramResult {
    let result = try runProgram(program, arguments, input: input, workingDirectory: scratch.path)
    guard result.status == 0 else {
      throw ToolFailure(command: ([program] + arguments).joined(separator: " "), result: result)
    }
    return result
  }

  /// Runs podman on one of the roots.
  @discardableResult
  func podman(_ root: StoreFixture, _ arguments: String...) throws -> ProgramResult {
    try run(
      "podman",
      root.podmanArguments(mountProgram: Self.mountProgram)
        + ["--cgroup-manager=cgroupfs", "--runtime", "runc"] + arguments)
  }
}

/// A program that ended badly.
struct ToolFailure: Error, CustomStringConvertible {
  var command: String
  var result: ProgramResult
  var description: String { "\(command): \(result)" }
}

// MARK: - Images to import

extension ImageLab {
  /// An OCI layout with one image of four gzip'ed layers, made by umoci.
  ///
  /// They are: busybox and files, a change,
  /// a whiteout, an opaque directory. Returns its path.
  func umociLayout(_ name: String = "layout", tag: String = "v1") throws -> String {
    let layout = path(name)
    try run("umoci", "init", "--layout", layout)
    let image = "\(layout):\(tag)"
    try run("umoci", "new", "--image", image)
    try insert(
      image, "first", ["etc/motd": "hello\n", "data/a": "a", "data/b": "b"], busybox: true)
    try insert(image, "second", ["data/b": "changed", "data/sub/c": "c"])
    try run("umoci", "insert", "--image", image, "--whiteout", "/data/a")
    try run("umoci", "insert", "--image", image, "--opaque", path("first/etc"), "/data/sub")
    try run(
      "umoci", "config", "--image", image, "--config.cmd", "/bin/sh", "--config.env",
      "GREETING=<hi> & \"bye\"", "--author", "Zoë")
    return layout
  }

  private func insert(
    _ image: String, _ folder: String, _ files: [String: String], busybox: Bool = false
  )
    throws
  {
    for (name, text) in files { try scratch.write(RawPath("\(folder)/\(name)"), text) }
    if busybox {
      try scratch.makeDirectory(RawPath("\(folder)/bin"))
      try run("cp", "/bin/busybox", path("\(folder)/bin/busybox"))
      for command in ["sh", "cat", "touch", "rm", "ls", "mkdir"] {
        try run("ln", "-s", "busybox", path("\(folder)/bin/\(command)"))
      }
    }
    try run("umoci", "insert", "--image", image, path(folder), "/")
  }

  /// A plain tar of a small tree.
  func layerTar(_ name: String = "layer.tar") throws -> String {
    try scratch.write("tree/etc/motd", "hello\n")
    try scratch.write("tree/data/a", "a")
    try run("tar", "-C", path("tree"), "--numeric-owner", "-cf", path(name), ".")
    return path(name)
  }
}

// MARK: - Comparing

extension ImageLab {
  /// images.json or layers.json of a root, with what cannot be equal taken out.
  func records(_ root: StoreFixture, _ kind: String) throws -> [JSONValue] {
    let bytes = try FileDescriptor.workingDirectory.contents(
      of: root.graphRoot.appending(RawPath("overlay-\(kind)/\(kind).json")))
    let records = try JSONValue(parsing: bytes).array ?? []
    return records.map { record in
      var record = record
      // When a layer was made differs from program to program.
      if kind == "layers" { record["created"] = nil }
      return record
    }
  }

  /// Every file below a directory of the graph root with its bytes.
  func files(_ root: StoreFixture, _ directory: RawPath) throws -> [RawPath: [UInt8]] {
    var result: [RawPath: [UInt8]] = [:]
    func walk(_ path: RawPath) throws {
      let owner = try FileDescriptor.workingDirectory.open(
        root.graphRoot.appending(path), [.readOnly, .directory])
      for entry in try owner.view.entries() {
        let name = path.appending(entry.name)
        if entry.type == .directory {
          try walk(name)
        } else {
          result[name] = try owner.view.contents(of: entry.name)
        }
      }
    }
    try walk(directory)
    return result
  }

  /// Whether both roots hold the same images: records member by member, items byte by byte.
  func expectSameImages(_ sourceLocation: SourceLocation = #_sourceLocation) throws {
    for kind in ["layers", "images"] {
      var a = try records(ours, kind)
      let b = try records(theirs, kind)
      // What an import of ours keeps beside a layer is no peer's.
      for number in a.indices where kind == "layers" {
        a[number]["big-data-names"] = nil
      }
      #expect(a.map { $0.text() } == b.map { $0.text() }, sourceLocation: sourceLocation)
    }
    func items(_ root: StoreFixture) throws -> [RawPath: [UInt8]] {
      try files(root, "overlay-images").filter { $0.key.components.count == 3 }
    }
    #expect(try items(ours) == items(theirs), sourceLocation: sourceLocation)
  }
}

func sha256(_ bytes: [UInt8]) -> Digest { Digester.digest(of: bytes) }

/// Writes a file at an absolute path.
func write(_ bytes: [UInt8], to path: String) throws {
  let file = try FileDescriptor.workingDirectory.open(
    RawPath(path), [.writeOnly, .create, .truncate], mode: 0o644)
  try file.view.writeAll(bytes)
}

/// Reads a file at an absolute path.
func read(_ path: String) throws -> [UInt8] {
  try FileDescriptor.workingDirectory.contents(of: RawPath(path))
}
