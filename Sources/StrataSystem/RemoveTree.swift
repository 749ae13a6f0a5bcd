import CStrata

extension FileDescriptor {
  /// Removes a name and, if it is a directory, all below it, without following links or crossing
  /// into mounts.
  ///
  /// A missing name is success.
  ///
  /// Immutable and append-only flags are taken off where removal fails with EPERM. Depth costs
  /// nothing: a container can nest directories without end, so what lies deeper than a descriptor
  /// for each level would allow is moved up, to the top of what is being removed.
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
    try remove(path, depth: 0, top: nil)
  }

  private func remove(_ path: RawPath, depth: Int, top: FileDescriptor?) throws(Errno) {
    if try removeAlone(path) { return }
    if depth == deepest, let top {
      let name = hoistedPrefix + randomBytes(20).map { UInt8(ascii: "a") + $0 % 26 }
      do throws(Errno) {
        return try rename(path, to: top, RawPath(name))
      } catch  where error == .permissionDenied {
        // A directory can be moved by those alone who can write to it.
        try setMode(of: path, 0o700)
        return try rename(path, to: top, RawPath(name))
      }
    }
    try removeContent(of: path, depth: depth, top: top)
    do throws(Errno) {
      try removeDirectory(path)
    } catch  where error == .operationNotPermitted {
      try clearInodeFlags(of: path)
      try removeDirectory(path)
    } catch  where error == .noSuchFileOrDirectory {
      return
    }
  }

  /// Removes a file or an empty directory; false if there is something in it.
  private func removeAlone(_ path: RawPath) throws(Errno) -> Bool {
    do throws(Errno) {
      try unlink(path)
      return true
    } catch {
      switch error {
      case .noSuchFileOrDirectory: return true
      case .isADirectory: break
      case .operationNotPermitted:
        if (try? status(of: path).type) != .directory {
          try clearInodeFlags(of: path)
          try unlink(path)
          return true
        }
      default: throw error
      }
    }
    do throws(Errno) {
      try removeDirectory(path)
      return true
    } catch {
      switch error {
      case .noSuchFileOrDirectory: return true
      case .directoryNotEmpty, .fileExists, .operationNotPermitted, .permissionDenied: return false
      default: throw error
      }
    }
  }

  private func removeContent(
    of path: RawPath, depth: Int, top: FileDescriptor?
  ) throws(Errno) {
    let resolve: ResolveFlags = [.beneath, .noSymlinks, .noMountCrossing]
    var directory: FileDescriptorOwner
    do throws(Errno) {
      directory = try open(path, [.readOnly, .directory, .noFollow], resolve: resolve)
    } catch  where error == .permissionDenied {
      // A directory of ours without permission bits: rootless layers hold such.
      try setMode(of: path, 0o700)
      directory = try open(path, [.readOnly, .directory, .noFollow], resolve: resolve)
    }
    // Names first: removing while listing may skip some. Again where something was moved up.
    var entries = try directory.view.entries()
    repeat {
      for entry in entries {
        do throws(Errno) {
          try directory.view.remove(entry.name, depth: depth + 1, top: top ?? directory.view)
        } catch  where error == .operationNotPermitted || error == .permissionDenied {
          try? directory.view.setMode(0o700)
          try? clearInodeFlags(of: path)
          try directory.view.remove(entry.name, depth: depth + 1, top: top ?? directory.view)
        }
      }
      entries = top == nil ? try directory.view.entries() : []
    } while entries.contains { $0.name.bytes.starts(with: hoistedPrefix) }
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

/// How deep the removal of a tree goes before it moves what is below.
private let deepest = 100
/// What is moved is called so until it is removed.
private let hoistedPrefix = Array(".strata-moved-up-".utf8)
