import CStrata
import Glibc

/// The user, group and umask with which the calling thread makes files, apart from its other rights.
///
/// The calls are the raw ones, which libc does not spread to the process's other threads.
package struct FileSystemIdentity: Hashable, Sendable {
  package var uid, gid: UInt32

  package init(uid: UInt32, gid: UInt32) {
    self.uid = uid
    self.gid = gid
  }

  /// The ids of the process.
  package static var own: FileSystemIdentity {
    FileSystemIdentity(uid: effectiveUserID, gid: effectiveGroupID)
  }

  /// Makes this the calling thread's identity.
  ///
  /// The kernel reports no error of `setfsuid`, so it is read back: EPERM if it refused.
  ///
  /// C: `setfsgid`, `setfsuid`.
  package func assume() throws(Errno) {
    _ = cstrata_setfsgid(gid)
    _ = cstrata_setfsuid(uid)
    guard cstrata_setfsuid(UInt32.max) == uid, cstrata_setfsgid(UInt32.max) == gid else {
      throw .operationNotPermitted
    }
  }
}

/// Keeps the calling thread's capabilities when its file-system user id changes; without it a
/// service cannot make a file for a user in a directory that the user cannot enter.
///
/// EPERM without CAP_SETPCAP. C: `prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)`.
package func keepCapabilitiesAcrossIdentities() throws(Errno) {
  try check { cstrata_set_securebits(1 << 2) }
}

/// Gives the calling thread its own umask and working directory.
///
/// C: `unshare(CLONE_FS)`.
package func separateThreadUmask() throws(Errno) {
  try check { cstrata_unshare(CSTRATA_CLONE_FS) }
}

/// Sets the calling thread's umask and returns the one before.
///
/// C: `umask`.
@discardableResult
package func setThreadUmask(_ mask: UInt32) -> UInt32 {
  UInt32(bitPattern: cstrata_set_umask_thread(mask))
}

/// How many more descriptors this process may open.
///
/// C: `getrlimit(RLIMIT_NOFILE)`, and the entries of /proc/self/fd.
package func spareDescriptors() -> Int {
  let limit = raiseDescriptorLimit()
  let open = (try? openDescriptorCount()) ?? 0
  return max(0, limit - open)
}

private func openDescriptorCount() throws(Errno) -> Int {
  let directory = try FileDescriptor.workingDirectory.open(
    "/proc/self/fd", [.readOnly, .directory])
  return try directory.view.entries().count
}

/// Raises the soft limit of open descriptors to the hard one and returns it.
///
/// C: `setrlimit(RLIMIT_NOFILE)`.
package func raiseDescriptorLimit() -> Int {
  var limit: UInt64 = 0
  guard unsafe cstrata_raise_descriptor_limit(&limit) == 0 else { return 1024 }
  return Int(min(limit, 1 << 30))
}
