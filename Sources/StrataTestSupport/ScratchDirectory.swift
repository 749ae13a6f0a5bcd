package import StrataSystem

/// A folder of one test's own.
///
/// When the last reference goes, what is mounted in it is unmounted and
/// it is removed; with `STRATA_KEEP_SCRATCH=1` in the environment it stays, to be looked at.
package final class ScratchDirectory: Sendable {
  /// The absolute path.
  package let path: RawPath
  private let owner: FileDescriptorOwner

  /// Makes a folder of mode 0755 whose name starts with `name`, in `TMPDIR` or `/tmp`.
  package init(_ name: String = "test") throws(Errno) {
    let base = RawPath(environmentValue("TMPDIR") ?? "/tmp")
    let suffix = randomBytes(8).map { byte in
      let text = String(byte, radix: 16)
      return byte < 16 ? "0" + text : text
    }.joined()
    path = base.appending(RawPath("strata-\(name)-\(suffix)"))
    try FileDescriptor.workingDirectory.makeDirectory(path, mode: 0o755)
    owner = try FileDescriptor.workingDirectory.open(path, [.readOnly, .directory])
  }

  deinit {
    unmountAll(below: path)
    if environmentValue("STRATA_KEEP_SCRATCH") == "1" { return }
    try? FileDescriptor.workingDirectory.removeTree(path)
  }

  /// The open folder; keep this object alive while it is used.
  package var directory: FileDescriptor { owner.view }

  /// The absolute path of a name in the folder.
  package func path(_ name: RawPath) -> RawPath { path.appending(name) }

  /// Makes a folder and those above it, and returns its absolute path.
  @discardableResult
  package func makeDirectory(_ name: RawPath, mode: UInt32 = 0o755) throws(Errno) -> RawPath {
    try directory.makeDirectories(name, mode: mode)
    return path(name)
  }

  /// Writes a file, and makes the folders above it; returns its absolute path.
  @discardableResult
  package func write(_ name: RawPath, _ bytes: [UInt8], mode: UInt32 = 0o644) throws(Errno)
    -> RawPath
  {
    if !name.parent.isEmpty { try directory.makeDirectories(name.parent, mode: 0o755) }
    let file = try directory.open(name, [.writeOnly, .create, .truncate], mode: mode)
    try file.view.writeAll(bytes)
    try file.close()
    return path(name)
  }

  /// As above for text.
  @discardableResult
  package func write(_ name: RawPath, _ text: String, mode: UInt32 = 0o644) throws(Errno)
    -> RawPath
  {
    try write(name, Array(text.utf8), mode: mode)
  }

  /// The bytes of a file in the folder.
  package func read(_ name: RawPath) throws(Errno) -> [UInt8] {
    try directory.contents(of: name)
  }

  /// The text of a file in the folder; bytes that are not UTF-8 become U+FFFD.
  package func text(_ name: RawPath) throws(Errno) -> String {
    String(decoding: try read(name), as: UTF8.self)
  }

  /// All names below, relative, sorted, without the folder itself; links are not followed.
  package func tree(_ name: RawPath = "") throws(Errno) -> [RawPath] {
    var result: [RawPath] = []
    let folder = try directory.open(name.isEmpty ? "." : name, [.readOnly, .directory, .noFollow])
    for entry in try folder.view.entries() {
      let inner = name.appending(entry.name)
      result.append(inner)
      if try folder.view.status(of: entry.name).type == .directory { result += try tree(inner) }
    }
    return result.sorted()
  }
}
