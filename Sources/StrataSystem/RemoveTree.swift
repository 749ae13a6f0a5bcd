import CStrata

extension FileDescriptor {
  /// Removes a name and, if it is a directory, all below it, without following links or crossing
  /// into mounts.
  ///
  /// A missing name is success.
  ///
  /// Immutable and append-only flags are taken off where removal fails with EPERM.
  package func removeTree(_ path: RawPath) throws(Errno) {
    let parent = path.parent
    if !parent.isEmpty, path != "/" {
      // The walk below starts from the parent: it may not leave it, and the caller's own path may
      // hold links and `..`.
      let directory: FileDescriptorOwner
      do throws(Errno) {
        directory = try open(parent, [.path, .directory])
      } catch  where error == .noSuchFileOrDirectory {
        return
      }
      return try directory.view.removeTree(path.lastComponent)
    }
    do throws(Errno) {
      try unlink(path)
      return
    } catch {
      switch error {
      case .noSuchFileOrDirectory: return
      case .isADirectory: break
      case .operationNotPermitted:
        if (try? status(of: path).type) != .directory {
          try clearInodeFlags(of: path)
          try unlink(path)
          return
        }
      default: throw error
      }
    }
    do throws(Errno) {
      try removeDirectory(path)
      return
    } catch {
      switch error {
      case .noSuchFileOrDirectory: return
      case .directoryNotEmpty, .fileExists, .operationNotPermitted, .permissionDenied: break
      default: throw error
      }
    }
    let resolve: ResolveFlags = [.beneath, .noSymlinks, .noMountCrossing]
    var directory: FileDescriptorOwner
    do throws(Errno) {
      directory = try open(path, [.readOnly, .directory, .noFollow], resolve: resolve)
    } catch  where error == .permissionDenied {
      // A directory of ours without permission bits: rootless layers hold such.
      try setMode(of: path, 0o700)
      directory = try open(path, [.readOnly, .directory, .noFollow], resolve: resolve)
    }
    // Names first: removing while listing may skip some.
    for entry in try directory.view.entries() {
      do throws(Errno) {
        try directory.view.removeTree(entry.name)
      } catch  where error == .operationNotPermitted || error == .permissionDenied {
        try? directory.view.setMode(0o700)
        try? clearInodeFlags(of: path)
        try directory.view.removeTree(entry.name)
      }
    }
    do throws(Errno) {
      try removeDirectory(path)
    } catch  where error == .operationNotPermitted {
      try clearInodeFlags(of: path)
      try removeDirectory(path)
    } catch  where error == .noSuchFileOrDirectory {
      return
    }
  }

  /// Takes the immutable and append-only flags off a file or directory.
  ///
  /// C: `FS_IOC_SETFLAGS`.
  private func clearInodeFlags(of path: RawPath) throws(Errno) {
    let file = try open(path, [.readOnly, .nonBlocking, .noFollow])
    var flags: UInt32 = 0
    try check { unsafe cstrata_inode_flags_get(file.rawValue, &flags) }
    let immutable: UInt32 = 0x10
    let appendOnly: UInt32 = 0x20
    guard flags & (immutable | appendOnly) != 0 else { throw .operationNotPermitted }
    try check { cstrata_inode_flags_set(file.rawValue, flags & ~(immutable | appendOnly)) }
  }
}
