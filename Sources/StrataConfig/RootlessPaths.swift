import StrataSystem

/// `$XDG_DATA_HOME/containers/storage`, else below the home directory (storage-format 7.4).
func rootlessGraphRoot(_ surroundings: Surroundings) -> RawPath {
  if let data = surroundings["XDG_DATA_HOME"] {
    return RawPath(data).appending("containers/storage")
  }
  return (surroundings.home ?? "/").appending(".local/share/containers/storage")
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
