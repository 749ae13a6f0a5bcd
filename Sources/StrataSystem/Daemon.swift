import CStrata
import Glibc

/// The arguments of this process as bytes, the program's name first.
package func commandLineArguments() -> [RawPath] {
  (0..<Int(CommandLine.argc)).compactMap { index in
    guard let argument = unsafe CommandLine.unsafeArgv[index] else { return nil }
    return unsafe RawPath(UnsafeRawBufferPointer(start: argument, count: strlen(argument)))
  }
}

/// Goes on in a child that belongs to no terminal and keeps no inherited standard stream; the
/// parent ends here with status 0.
///
/// No other thread may run yet, and the thread that comes back here must take no `Mutex` that
/// another may want: start one, and go on there.
///
/// Whoever waits for the end of standard error (containers-storage does) sees it as soon as the
/// parent is gone. The child's working directory is `/` and its umask 0.
package func detachFromCaller() throws(Errno) {
  let null = try FileDescriptor.workingDirectory.open("/dev/null", .readWrite)
  let pid = cstrata_fork()
  if pid < 0 { throw Errno(rawValue: -pid) }
  if pid > 0 { _exit(0) }
  setsid()
  _ = unsafe chdir("/")
  for number in Int32(0)...2 { dup2(null.rawValue, number) }
  umask(0)
}

/// Opens `/dev/null` in place of standard descriptors that the caller left closed, before any file
/// gets one of their numbers and what is printed ends up in it.
///
/// Call first. C: `fcntl(F_GETFD)`.
package func openMissingStandardDescriptors() {
  for number in Int32(0)...2 where fcntl(number, F_GETFD) < 0 {
    // The lowest free number is this one; without close-on-exec, as the others.
    _ = unsafe open("/dev/null", number == 0 ? O_RDONLY : O_WRONLY)
  }
}

/// Closes every descriptor but the standard ones and `kept`: callers leak locks and pipes that must
/// not live as long as a daemon.
///
/// C: `close_range`.
package func closeInheritedDescriptors(except kept: Int32? = nil) {
  if let kept, kept > 2 {
    if kept > 3 { _ = cstrata_close_range(3, UInt32(kept) - 1) }
    _ = cstrata_close_range(UInt32(kept) + 1, UInt32.max)
  } else {
    _ = cstrata_close_range(3, UInt32.max)
  }
}

/// Ends the process with a status, running what is registered for its end.
///
/// C: `exit`.
package func exitProcess(_ status: Int32) -> Never {
  exit(status)
}

/// Ends the process at once, whatever its threads are doing; nothing that is registered for its end runs.
///
/// C: `_exit`.
package func endProcess(_ status: Int32) -> Never {
  _exit(status)
}
