import StrataSystem

/// Takes the lock of a state directory, which it makes: one daemon each.
///
/// A daemon that was killed a moment ago may hold it until the kernel is done with its worker, so it is
/// waited for a second.
func lockState(_ path: RawPath) throws(LazyError) -> SharedDescriptor {
  let here = FileDescriptor.workingDirectory
  do throws(Errno) {
    try here.makeDirectories(path, mode: 0o700)
    let file = SharedDescriptor(
      try here.open(path.appending("lock"), [.readWrite, .create], mode: 0o600))
    for _ in 0..<50 {
      if try file.view.tryLock(.exclusive) { return file }
      pause(milliseconds: 20)
    }
  } catch { throw LazyError("state directory \(path): \(error)") }
  throw LazyError("state directory \(path): another strata-lazy uses it")
}
