package import StrataSystem

/// How a program ended and what it printed.
package struct ProgramResult: Sendable, CustomStringConvertible {
  /// The exit status, or 128 + the signal that ended it.
  package var status: Int32
  package var stdout: [UInt8]
  package var stderr: [UInt8]

  /// What it printed, as text.
  package var output: String { String(decoding: stdout, as: UTF8.self) }
  /// What it complained, as text.
  package var errors: String { String(decoding: stderr, as: UTF8.self) }
  /// What it printed, line by line.
  package var lines: [String] { output.split(separator: "\n").map(String.init) }

  package var description: String { "exit \(status)\nstdout: \(output)\nstderr: \(errors)" }
}

/// The absolute path of a program: as it is where it holds a slash, else the first in PATH.
package func findProgram(_ name: String) -> RawPath? {
  let cwd = FileDescriptor.workingDirectory
  func isProgram(_ path: RawPath) -> Bool {
    guard let status = try? cwd.status(of: path, follow: true) else { return false }
    return status.type == .regular && status.permissions & 0o111 != 0
  }
  if name.contains("/") { return isProgram(RawPath(name)) ? RawPath(name) : nil }
  let search = environmentValue("PATH") ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
  return search.split(separator: ":").lazy
    .map { RawPath(String($0)).appending(RawPath(name)) }
    .first(where: isProgram)
}

/// Runs a program to its end without a shell.
///
/// `environment` is added to this process's own. What it prints goes to files and not to pipes, so
/// that a daemon that keeps its descriptors open cannot hold the caller up. ENOENT: no such program.
package func runProgram(
  _ program: String, _ arguments: [String], input: [UInt8] = [],
  environment: [String: String] = [:], workingDirectory: RawPath? = nil
) throws(Errno) -> ProgramResult {
  guard let path = findProgram(program) else { throw .noSuchFileOrDirectory }
  let standardInput = try temporaryFile()
  try standardInput.view.writeAll(input)
  _ = try standardInput.view.seek(0)
  let standardOutput = try temporaryFile()
  let standardError = try temporaryFile()
  let child = try ChildProcess.start(
    path, [RawPath(program)] + arguments.map { RawPath($0) },
    environment: merged(environment), workingDirectory: workingDirectory,
    input: standardInput.view, output: standardOutput.view, error: standardError.view)
  let status = try child.wait()
  _ = try standardOutput.view.seek(0)
  _ = try standardError.view.seek(0)
  return ProgramResult(
    status: status, stdout: try standardOutput.view.readToEnd(),
    stderr: try standardError.view.readToEnd())
}

/// A file without a name.
private func temporaryFile() throws(Errno) -> FileDescriptorOwner {
  try FileDescriptor.workingDirectory.open(
    RawPath(environmentValue("TMPDIR") ?? "/tmp"), [.readWrite, .temporaryFile], mode: 0o600)
}

private func merged(_ additions: [String: String]) -> [RawPath]? {
  if additions.isEmpty { return nil }
  let kept = environmentEntries().filter { entry in
    let name = String(decoding: entry.bytes.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self)
    return additions[name] == nil
  }
  return kept + additions.map { RawPath("\($0.key)=\($0.value)") }
}

/// A program that `scripts/build` made: in the folder `STRATA_BIN` names, else in `build/bin` of the
/// package; nil where it has not been built.
package func builtProgram(_ name: String) -> RawPath? {
  if let folder = environmentValue("STRATA_BIN") { return findProgram("\(folder)/\(name)") }
  return findProgram(packageFolder().appending("build/bin").appending(RawPath(name)).description)
}

/// A program of the package that is built together with the tests, and lies beside them.
package func programBesideTests(_ name: RawPath) throws(Errno) -> RawPath {
  try FileDescriptor.workingDirectory.readLink("/proc/self/exe").parent.appending(name)
}

/// The folder of the package's manifest, found from where this file was compiled.
package func packageFolder(_ file: String = #filePath) -> RawPath {
  // Sources/StrataTestSupport/RunProgram.swift
  RawPath(file).parent.parent.parent
}
