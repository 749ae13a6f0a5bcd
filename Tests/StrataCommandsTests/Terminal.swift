import StrataCommands
import StrataConfig
import StrataSystem
import StrataTestSupport

/// What a command line ended with and said.
struct Answer: Equatable, CustomStringConvertible {
  var status: Int32
  var output: String
  var errors: String

  var description: String { "\(output)--\n\(errors)-- \(status)" }
}

/// A place to run command lines of ours in this process, each with a fresh session, and the same
/// ones of the peer, on roots of their own.
struct Terminal {
  let fixture: StoreFixture
  var persona = Persona.strata
  var variables: [String: String] = ["PATH": "/usr/bin:/usr/sbin", "HOME": "/root"]

  init(_ persona: Persona = .strata) throws {
    fixture = try StoreFixture("commands")
    self.persona = persona
  }

  /// The words that say where the store is.
  var roots: [String] {
    fixture.storageArguments + ["--storage-opt", "overlay.mount_program=/usr/bin/fuse-overlayfs"]
  }

  /// Runs words of ours, on this place's store unless told otherwise.
  func run(_ words: [String], onStore: Bool = true) throws -> Answer {
    let out = try file()
    let errors = try file()
    let output = Output(out.view, errors: errors.view)
    let entry = Entry(
      persona: persona, program: persona == .peer ? "containers-storage" : "strata",
      output: output,
      surroundings: Surroundings(
        variables: variables, userID: effectiveUserID, workingDirectory: fixture.scratch.path))
    let status = entry.run((onStore ? roots : []) + words)
    output.flush()
    return Answer(status: status, output: try text(out), errors: try text(errors))
  }

  /// Runs the same words of the real `containers-storage` on this place's store.
  func runPeer(_ words: [String]) throws -> Answer {
    let result = try runProgram("containers-storage", roots + words)
    return Answer(status: result.status, output: result.output, errors: result.errors)
  }

  private func file() throws -> FileDescriptorOwner {
    try FileDescriptor.workingDirectory.open("/tmp", [.readWrite, .temporaryFile], mode: 0o600)
  }

  private func text(_ file: borrowing FileDescriptorOwner) throws -> String {
    _ = try file.view.seek(0)
    return String(decoding: try file.view.readToEnd(), as: UTF8.self)
  }
}

/// Replaces ids and times by their order of appearance, so that texts of two stores compare.
func withoutIDs(_ text: String, _ fixture: StoreFixture) -> String {
  var known: [Substring: Int] = [:]
  var result = ""
  var rest = text[...]
  let roots = fixture.scratch.path.description
  func isHex(_ c: Character) -> Bool { c.isASCII && c.isHexDigit && !c.isUppercase }
  while !rest.isEmpty {
    let run = rest.prefix(while: isHex)
    if run.count == 64, !result.hasSuffix("sha256:") {
      result += "ID\(known[run, default: known.count])"
      known[run] = known[run] ?? known.count
    } else if rest.hasPrefix(roots) {
      result += "ROOT"
      rest = rest.dropFirst(roots.count)
      continue
    } else if run.isEmpty {
      result.append(rest.removeFirst())
      continue
    } else {
      result += run
    }
    rest = rest[run.endIndex...]
  }
  return result.split(separator: "\"").map { part in
    part.count > 19 && part.hasSuffix("Z") && part.contains("T") && part.first == "2"
      ? "TIME" : String(part)
  }.joined(separator: "\"")
}
