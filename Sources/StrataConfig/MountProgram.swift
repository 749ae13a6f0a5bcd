package import StrataSystem

extension StorageSettings {
  /// The mount program that the driver options name last, if any.
  package var mountProgram: String? {
    for option in driverOptions.reversed() {
      guard let equals = option.firstIndex(of: "=") else { continue }
      let key = option[..<equals]
      if key == "mount_program" || key.hasSuffix(".mount_program"),
        ["overlay", "overlay2", "", "mount_program"].contains(String(key.prefix { $0 != "." }))
      {
        let value = option[option.index(after: equals)...]
        return value.isEmpty ? nil : String(value)
      }
    }
    return nil
  }

  /// Names Strata's own mount program where the configuration names none: the `strata-overlay`
  /// beside this executable, else the one in PATH.
  ///
  /// False if there is none.
  package mutating func fillMountProgram(_ surroundings: Surroundings) -> Bool {
    guard driver == "overlay", mountProgram == nil else { return true }
    guard let program = Self.ownMountProgram(surroundings) else { return false }
    options.append(DriverOption("overlay.mount_program=\(program)", from: Self.defaultOrigin))
    return true
  }

  /// Where `strata-overlay` is.
  package static func ownMountProgram(_ surroundings: Surroundings) -> RawPath? {
    ownProgram("strata-overlay", surroundings)
  }

  /// A program of ours: the one beside this executable, else the one in PATH.
  package static func ownProgram(_ name: RawPath, _ surroundings: Surroundings) -> RawPath? {
    if let executable = try? FileDescriptor.workingDirectory.readLink("/proc/self/exe") {
      let beside = executable.parent.appending(name)
      if isExecutable(beside) { return beside }
    }
    return search(name, surroundings)
  }

  /// A program of this name in PATH.
  package static func search(_ name: RawPath, _ surroundings: Surroundings) -> RawPath? {
    let path =
      surroundings["PATH"] ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    for directory in path.split(separator: ":") {
      let candidate = RawPath(String(directory)).appending(name)
      if isExecutable(candidate) { return candidate }
    }
    return nil
  }

  private static func isExecutable(_ path: RawPath) -> Bool {
    guard let status = try? FileDescriptor.workingDirectory.status(of: path, follow: true) else {
      return false
    }
    return status.type == .regular && status.permissions & 0o111 != 0
  }
}
