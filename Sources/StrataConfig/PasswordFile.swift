package import StrataSystem

/// Users as `/etc/passwd` and `/etc/group` list them.
///
/// Read directly: a statically linked program cannot ask NSS, and the shadow tools that hand out
/// subordinate ids read the files too.
package struct PasswordFile: Sendable {
  private let root: RawPath

  /// The files below `root`, which is empty but in tests.
  package init(root: RawPath = "") {
    self.root = root
  }

  private func path(_ name: RawPath) -> RawPath {
    root.isEmpty ? name : RawPath(Array(root.bytes) + Array(name.bytes))
  }

  /// The name of a user id.
  package func name(of uid: UInt32) -> String? {
    entry(of: uid).map { String($0[0]) }
  }

  /// The home directory of a user id.
  package func home(of uid: UInt32) -> RawPath? {
    guard let entry = entry(of: uid), entry.count > 5, !entry[5].isEmpty else { return nil }
    return RawPath(String(entry[5]))
  }

  private func entry(of uid: UInt32) -> [Substring]? {
    fields(of: path("/etc/passwd"), separator: ":").first { fields in
      fields.count > 3 && UInt32(fields[2]) == uid
    }
  }
}
