import StrataSystem
import StrataTestSupport
import Testing

/// The built program, run as people and scripts run it: statuses, streams and texts.
@Suite struct CommandLineTests {
  private let scratch: ScratchDirectory
  private let program: RawPath

  init() throws {
    scratch = try ScratchDirectory("commands")
    // Tests and programs are built into one folder.
    let tests = try FileDescriptor.workingDirectory.readLink("/proc/self/exe")
    var folder = tests.parent
    let workingDirectory = try FileDescriptor.workingDirectory.readLink("/proc/self/cwd")
    if !((try? FileDescriptor.workingDirectory.exists(folder.appending("strata"))) ?? false) {
      folder = workingDirectory.appending(".build/debug")
    }
    program = folder.appending("strata")
    try scratch.directory.makeSymlink("containers-storage", to: program)
  }

  private func run(_ name: RawPath? = nil, _ words: [String]) throws -> ProgramResult {
    let roots = [
      "--graph", "\(scratch.path("g"))", "--run", "\(scratch.path("r"))", "-s", "overlay",
      "--storage-opt", "overlay.mount_program=/usr/bin/fuse-overlayfs",
    ]
    return try runProgram(
      (name.map { scratch.path($0) } ?? program).description, roots + words)
  }
}
