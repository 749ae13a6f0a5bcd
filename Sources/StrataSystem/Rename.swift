import CStrata

/// Flags of renameat2(2).
package struct RenameFlags: OptionSet, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  /// EEXIST where the new name is taken.
  package static let noReplace = RenameFlags(rawValue: 1)
  /// The two names change places.
  package static let exchange = RenameFlags(rawValue: 2)
  /// A whiteout (character device 0:0) is left at the old name.
  package static let whiteout = RenameFlags(rawValue: 4)
}

extension FileDescriptor {
  /// Moves a name of this directory to another.
  ///
  /// C: `renameat2`.
  package func rename(
    _ path: RawPath, to directory: FileDescriptor, _ newPath: RawPath, _ flags: RenameFlags = []
  ) throws(Errno) {
    try unsafe path.withCString { old throws(Errno) in
      try unsafe newPath.withCString { new throws(Errno) in
        try check {
          unsafe cstrata_renameat2(rawValue, old, directory.rawValue, new, flags.rawValue)
        }
      }
    }
  }
}
