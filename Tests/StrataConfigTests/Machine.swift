import StrataConfig
import StrataSystem
import StrataTestSupport

/// A root of a file system with configuration files, and the surroundings that see it.
struct Machine: ~Copyable {
  let scratch: ScratchDirectory

  init() throws {
    scratch = try ScratchDirectory("config")
  }

  func write(_ path: String, _ text: String, mode: UInt32 = 0o644) throws {
    let file = scratch.path.appending(RawPath(path))
    try FileDescriptor.workingDirectory.makeDirectories(file.parent, mode: 0o755)
    let out = try FileDescriptor.workingDirectory.open(
      file, [.writeOnly, .create, .truncate], mode: mode)
    try out.view.writeAll(Array(text.utf8))
  }

  func surroundings(_ variables: [String: String] = [:], user: UInt32 = 0) -> Surroundings {
    var variables = variables
    for (name, value) in variables where value.hasPrefix("@") {
      variables[name] = "\(scratch.path)" + value.dropFirst()
    }
    return Surroundings(
      variables: variables, userID: user, root: scratch.path, workingDirectory: "/work",
      isPrivileged: user == 0)
  }
}
