import StrataFUSE
import StrataSystem

/// On whose behalf something is made: stored ids and umask.
struct Caller {
  var identity: FileSystemIdentity
  var umask: UInt32
}

extension MergedTree {
  /// EOVERFLOW for a caller whose ids cannot be stored in the upper.
  func caller(_ context: RequestContext) throws(Errno) -> Caller {
    let mapping = layers[0].mapping
    guard let identity = mapping.storedCaller(uid: context.uid, gid: context.gid) else {
      throw .valueTooLarge
    }
    return Caller(identity: identity, umask: context.umask)
  }

  /// Runs `body` with the caller's ids and umask in file-system calls; capabilities stay.
  ///
  /// Owner, group, inheritance of S_ISGID, default ACL and quota are then the backing file system's
  /// own doing.
  func acting<Result: ~Copyable>(
    as caller: Caller, _ body: () throws(Errno) -> Result
  ) throws(Errno) -> Result {
    let switches = switchesIdentity && caller.identity != ownIdentity
    if switches {
      do throws(Errno) { try caller.identity.assume() } catch {
        try? ownIdentity.assume()
        throw .valueTooLarge
      }
    }
    if caller.umask != 0 { setThreadUmask(caller.umask) }
    defer {
      if caller.umask != 0 { setThreadUmask(0) }
      if switches { try? ownIdentity.assume() }
    }
    return try body()
  }
}
