import CStrata
import Glibc

extension FileDescriptor {
  /// C: `mkdirat`.
  ///
  /// The umask applies.
  package func makeDirectory(_ path: RawPath, mode: UInt32) throws(Errno) {
    try unsafe path.withCString { name throws(Errno) in
      try check { unsafe cstrata_mkdirat(rawValue, name, mode) }
    }
  }

  /// C: `mknodat`; `mode` holds the type bits too.
  package func makeNode(
    _ path: RawPath, mode: UInt32, device: DeviceNumber = DeviceNumber(major: 0, minor: 0)
  ) throws(Errno) {
    try unsafe path.withCString { name throws(Errno) in
      try check { unsafe cstrata_mknodat(rawValue, name, mode, device.major, device.minor) }
    }
  }

  /// A symbolic link `path` that holds `target`.
  ///
  /// C: `symlinkat`.
  package func makeSymlink(_ path: RawPath, to target: RawPath) throws(Errno) {
    try unsafe path.withCString { name throws(Errno) in
      try unsafe target.withCString { text throws(Errno) in
        try check { unsafe cstrata_symlinkat(text, rawValue, name) }
      }
    }
  }

  /// A second name for the file `path` of this directory; links are not followed.
  ///
  /// C: `linkat`.
  package func link(_ path: RawPath, to directory: FileDescriptor, _ newPath: RawPath)
    throws(Errno)
  {
    try unsafe path.withCString { old throws(Errno) in
      try unsafe newPath.withCString { new throws(Errno) in
        try check { unsafe cstrata_linkat(rawValue, old, directory.rawValue, new, 0) }
      }
    }
  }

  /// A name for this open file, for one that O_TMPFILE made.
  ///
  /// C: `linkat(AT_EMPTY_PATH)`, or through procfs where that is refused for want of
  /// CAP_DAC_READ_SEARCH.
  package func linkSelf(to directory: FileDescriptor, _ newPath: RawPath) throws(Errno) {
    try unsafe newPath.withCString { new throws(Errno) in
      do throws(Errno) {
        try check { unsafe cstrata_linkat(rawValue, "", directory.rawValue, new, 0x1000) }
      } catch  where error == .noSuchFileOrDirectory {
        try unsafe procPath.withCString { old throws(Errno) in
          try check { unsafe cstrata_linkat(AT_FDCWD, old, directory.rawValue, new, 0x400) }
        }
      }
    }
  }

  /// C: `readlinkat`.
  ///
  /// An empty path reads an O_PATH descriptor of a link.
  package func readLink(_ path: RawPath) throws(Errno) -> RawPath {
    try unsafe path.withCString { name throws(Errno) -> RawPath in
      var size = 256
      while true {
        var buffer = [UInt8](repeating: 0, count: size)
        let length = try unsafe buffer.withMutableMemory { memory throws(Errno) -> Int in
          try checked {
            unsafe cstrata_readlinkat(
              rawValue, name, memory.baseAddress?.assumingMemoryBound(to: CChar.self), memory.count)
          }
        }
        if length < size { return RawPath(buffer[..<length]) }
        size *= 4
      }
    }
  }

  /// Removes a name that is no directory.
  ///
  /// C: `unlinkat`.
  package func unlink(_ path: RawPath) throws(Errno) {
    try unsafe path.withCString { name throws(Errno) in
      try check { unsafe cstrata_unlinkat(rawValue, name, 0) }
    }
  }

  /// Removes an empty directory.
  ///
  /// C: `unlinkat(AT_REMOVEDIR)`.
  package func removeDirectory(_ path: RawPath) throws(Errno) {
    try unsafe path.withCString { name throws(Errno) in
      try check { unsafe cstrata_unlinkat(rawValue, name, 0x200) }
    }
  }

  /// Makes a directory and those above it that are missing, as `mkdir -p`; one that exists is left
  /// as it is.
  ///
  /// The second try is the last: file systems such as `/proc` answer ENOENT below a directory that
  /// is there.
  package func makeDirectories(_ path: RawPath, mode: UInt32) throws(Errno) {
    do throws(Errno) {
      do throws(Errno) {
        try makeDirectory(path, mode: mode)
      } catch
        where error == .noSuchFileOrDirectory && !path.parent.isEmpty
        && path.parent != path
      {
        try makeDirectories(path.parent, mode: mode)
        try makeDirectory(path, mode: mode)
      }
    } catch  where error == .fileExists {
      guard try status(of: path, follow: true).type == .directory else { throw error }
    }
  }
}
