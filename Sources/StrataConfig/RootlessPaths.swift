package import StrataSystem

/// `$XDG_DATA_HOME/containers/storage`, else below the home directory (storage-format 7.4).
func rootlessGraphRoot(_ surroundings: Surroundings) -> RawPath {
  userData(surroundings).appending("containers/storage")
}

/// Where strata-lazy keeps what outlives it, unless it is told otherwise.
package func lazyStateDirectory(_ surroundings: Surroundings) -> RawPath {
  surroundings.isRootless
    ? userData(surroundings).appending("strata-lazy") : "/var/lib/strata-lazy"
}

/// `$XDG_DATA_HOME`, else what stands for it below the home directory.
private func userData(_ surroundings: Surroundings) -> RawPath {
  surroundings["XDG_DATA_HOME"].map { RawPath($0) }
    ?? (surroundings.home ?? "/").appending(".local/share")
}

/// `$XDG_RUNTIME_DIR/containers`, else `/run/user/<uid>/containers` if that directory is safe, else
/// one below the directory for temporary files.
func rootlessRunRoot(_ surroundings: Surroundings) -> RawPath {
  if let runtime = surroundings["XDG_RUNTIME_DIR"] {
    return RawPath(runtime).appending("containers")
  }
  let uid = surroundings.rootlessUserID
  let directory = surroundings.system(RawPath("/run/user/\(uid)"))
  if let status = try? FileDescriptor.workingDirectory.status(of: directory, follow: false),
    status.type == .directory, status.permissions & 0o022 == 0,
    // Inside the user namespace the directory of its owner belongs to root.
    status.uid == uid || (surroundings.userID == 0 && status.uid == 0)
  {
    return directory.appending("containers")
  }
  return RawPath(surroundings["TMPDIR"] ?? "/tmp")
    .appending(RawPath("storage-run-\(uid)")).appending("containers")
}
