package import StrataSystem

/// What decides about a configuration besides files: variables, the user and the directories that
/// are searched.
///
/// A value, so that tests can give another one.
package struct Surroundings: Sendable {
  /// The environment variables that are valid UTF-8.
  package var variables: [String: String]
  /// The effective user.
  package var userID: UInt32
  /// Put before `/etc`, `/usr/share` and `/run/user`; empty but in tests.
  package var root: RawPath
  /// What relative paths of the command line start from.
  package var workingDirectory: RawPath
  /// Whether the process may administer its user namespace (CAP_SYS_ADMIN).
  package var isPrivileged: Bool

  /// Surroundings of these parts.
  package init(
    variables: [String: String], userID: UInt32, root: RawPath = "",
    workingDirectory: RawPath = "/", isPrivileged: Bool = true
  ) {
    self.variables = variables
    self.userID = userID
    self.root = root
    self.workingDirectory = workingDirectory
    self.isPrivileged = isPrivileged
  }

  /// Those of this process.
  package static func ofProcess() -> Surroundings {
    var variables: [String: String] = [:]
    for entry in environmentEntries() {
      guard let text = entry.string, let equals = text.firstIndex(of: "=") else { continue }
      variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
    }
    let directory = try? FileDescriptor.workingDirectory.readLink("/proc/self/cwd")
    return Surroundings(
      variables: variables, userID: effectiveUserID, workingDirectory: directory ?? "/",
      isPrivileged: hasCapability(.systemAdministration))
  }

  /// A variable that is set and not empty.
  package subscript(name: String) -> String? {
    guard let value = variables[name], !value.isEmpty else { return nil }
    return value
  }

  /// The user who started all this: inside a user namespace that podman, buildah or `strata unshare`
  /// made, the one outside it (`_CONTAINERS_ROOTLESS_UID`), otherwise the effective user.
  package var rootlessUserID: UInt32 {
    self["_CONTAINERS_ROOTLESS_UID"].flatMap { UInt32($0) } ?? userID
  }

  /// Whether an ordinary user's rules hold: for any user but root, and in a user namespace that such
  /// a user has made.
  package var isRootless: Bool {
    rootlessUserID != 0 || self["_CONTAINERS_USERNS_CONFIGURED"] != nil
  }

  /// Whether the process is inside the user namespace that rootless storage needs, or needs none.
  package var hasStorageNamespace: Bool { userID == 0 && isPrivileged }

  /// The home directory: `HOME`, else what the password file says of the user.
  package var home: RawPath? {
    if let home = self["HOME"] { return RawPath(home) }
    return PasswordFile(root: root).home(of: rootlessUserID)
  }

  /// `XDG_CONFIG_HOME` if it is set.
  package var userConfiguration: RawPath? { self["XDG_CONFIG_HOME"].map { RawPath($0) } }

  /// The user's folder of configuration files: `XDG_CONFIG_HOME`, else `.config` below the home
  /// directory.
  package var configurationFolder: RawPath? {
    userConfiguration ?? home?.appending(".config")
  }

  /// A path of the system below `root`.
  func system(_ path: RawPath) -> RawPath {
    root.isEmpty ? path : RawPath(Array(root.bytes) + Array(path.bytes))
  }
}
