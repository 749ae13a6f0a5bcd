import StrataSystem
import StrataTestSupport
import Testing

/// The layers of one mount, and the mount program on them.
private struct ProgramOnLayers {
  let scratch: ScratchDirectory
  let program: RawPath
  let options: String
  let mountPoint: RawPath

  init(_ name: String) throws {
    program = try #require(
      name == "strata-overlay" ? builtProgram(name) : findProgram(name))
    scratch = try ScratchDirectory("mount-program")
    try scratch.write("lower/file", "below")
    for folder in ["upper", "work"] as [RawPath] { try scratch.makeDirectory(folder) }
    mountPoint = try scratch.makeDirectory("merged")
    options =
      "lowerdir=\(scratch.path("lower")),upperdir=\(scratch.path("upper"))"
      + ",workdir=\(scratch.path("work"))"
  }

  func run(_ arguments: [String]) throws -> ProgramResult {
    try runProgram(program.description, arguments)
  }

  /// Starts it in the foreground and waits for the mount.
  func startInForeground() throws -> ChildProcess {
    let child = try ChildProcess.start(
      program, [program, "-f", "-o", RawPath(options), mountPoint])
    for _ in 0..<500 where try !isMountPoint(mountPoint) { try pause(milliseconds: 10) }
    try #require(try isMountPoint(mountPoint))
    return child
  }

  private func pause(milliseconds: Int) throws {
    _ = try runProgram("sleep", ["0.\(milliseconds < 100 ? "0" : "")\(milliseconds)"])
  }
}

/// A start that must fail: what is wrong, and the `-o` text (`%` stands for the scratch folder).
struct FailingStart: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let options: String
  var target = "%/merged"

  static let all: [FailingStart] = [
    FailingStart(testDescription: "no lower", options: "lowerdir=%/none"),
    FailingStart(
      testDescription: "no upper", options: "lowerdir=%/lower,upperdir=%/none,workdir=%/work"),
    FailingStart(
      testDescription: "no work", options: "lowerdir=%/lower,upperdir=%/upper,workdir=%/none"),
    FailingStart(
      testDescription: "upper without work", options: "lowerdir=%/lower,upperdir=%/upper"),
    FailingStart(testDescription: "no lowerdir", options: "upperdir=%/upper,workdir=%/work"),
    FailingStart(
      testDescription: "no mount point", options: "lowerdir=%/lower", target: "%/nowhere"),
    FailingStart(
      testDescription: "a wrong mapping", options: "lowerdir=%/lower,uidmapping=0:1"),
  ]
}

@Suite(
  "strata-overlay as a mount program, beside fuse-overlayfs", .tags(.fuse, .root, .interop),
  .needsFuse, .needsRoot, .needsBuilt("strata-overlay"), .needsTool("fuse-overlayfs"), .serialized,
  .timeLimit(.minutes(2)))
struct MountProgramTests {
  static let programs = ["strata-overlay", "fuse-overlayfs"]

  @Test("a successful start is usable at once; unmounting ends it", arguments: programs)
  func starts(_ name: String) throws {
    let layers = try ProgramOnLayers(name)
    let result = try layers.run([
      "-o", layers.options + ",,volatile", layers.mountPoint.description,
    ])
    #expect(result.status == 0)
    // fuse-overlayfs warns of lazytime on every start; ours says nothing.
    if name == "strata-overlay" { #expect(result.stderr.isEmpty && result.stdout.isEmpty) }
    let file = layers.mountPoint.appending("file")
    #expect(try FileDescriptor.workingDirectory.contents(of: file) == Array("below".utf8))
    let entry = try #require(try mounts(below: layers.mountPoint).first)
    #expect(entry.type == "fuse.fuse-overlayfs")
    #expect(entry.source == "fuse-overlayfs")
    try unmount(layers.mountPoint)
  }

  @Test("what cannot start says why and exits 1, with nothing mounted", arguments: FailingStart.all)
  func failsToStart(_ start: FailingStart) throws {
    for name in Self.programs {
      let layers = try ProgramOnLayers(name)
      func filled(_ text: String) -> String {
        text.split(separator: "%", omittingEmptySubsequences: false)
          .joined(separator: layers.scratch.path.description)
      }
      let result = try layers.run(["-o", filled(start.options), filled(start.target)])
      #expect(result.status == 1, "\(name)")
      if name == "strata-overlay" { #expect(result.errors.split(separator: "\n").count == 1) }
      #expect(try mounts(below: layers.scratch.path).isEmpty)
    }
  }

  @Test("an unknown option is named")
  func namesUnknownOptions() throws {
    let layers = try ProgramOnLayers("strata-overlay")
    let result = try layers.run(["-o", layers.options + ",bogus=7", layers.mountPoint.description])
    #expect(result.status == 1)
    #expect(result.errors.contains("unknown option: bogus=7"))
  }

  @Test("a signal unmounts and is exit 1; unmounting is exit 0", arguments: programs)
  func endsAsAsked(_ name: String) throws {
    let layers = try ProgramOnLayers(name)
    for signal in [1, 2, 15] as [Int32] {
      let child = try layers.startInForeground()
      try child.signal(signal)
      #expect(try child.wait() == 1)
      #expect(try !isMountPoint(layers.mountPoint))
    }
    let child = try layers.startInForeground()
    try unmount(layers.mountPoint)
    #expect(try child.wait() == 0)
  }

  @Test("detached while in use it serves on, and ends with the last user", arguments: programs)
  func servesWhileInUse(_ name: String) throws {
    let layers = try ProgramOnLayers(name)
    let child = try layers.startInForeground()
    do {
      let file = try FileDescriptor.workingDirectory.open(
        layers.mountPoint.appending("file"), .readOnly)
      #expect(throws: Errno.busy) { try unmount(layers.mountPoint) }
      try unmount(layers.mountPoint, detach: true)
      #expect(try file.view.readToEnd() == Array("below".utf8))
    }
    #expect(try child.wait() == 0)
  }

  @Test("as mount(8) and fstab run it: a source, and the options last", arguments: programs)
  func takesASource(_ name: String) throws {
    let layers = try ProgramOnLayers(name)
    let result = try layers.run([
      "none", layers.mountPoint.description, "-o", "ro,\(layers.options),dev,suid",
    ])
    #expect(result.status == 0)
    let entry = try #require(try mounts(below: layers.mountPoint).first)
    #expect(entry.options == "ro,noatime")
    try unmount(layers.mountPoint)
  }

  @Test(
    "version and help go to standard output with exit 0", arguments: ["--version", "-V", "--help"])
  func answersQuestions(_ flag: String) throws {
    let result = try ProgramOnLayers("strata-overlay").run([flag])
    #expect(result.status == 0)
    #expect(result.stderr.isEmpty)
    if flag != "--help" { #expect(result.output.contains("fuse-overlayfs: version ")) }
  }
}
