package import StrataModel
package import StrataSystem

/// How a layer is written to disk.
package struct ApplyOptions: Sendable {
  /// What becomes of `.wh.` entries.
  package enum Whiteouts: Sendable {
    /// They are plain files like any other: the form for a mount program.
    case keep
    /// They delete what they name: for a directory that holds the parent's content too.
    case apply
  }

  package var mappings: IDMappings
  package var whiteouts: Whiteouts
  /// Devices are left out, and EPERM for an extended attribute is no error.
  package var inUserNamespace: Bool
  /// An owner that cannot be set is no error.
  package var ignoreOwnershipErrors: Bool

  package init(
    mappings: IDMappings = IDMappings(), whiteouts: Whiteouts = .keep,
    inUserNamespace: Bool = false, ignoreOwnershipErrors: Bool = false
  ) {
    self.mappings = mappings
    self.whiteouts = whiteouts
    self.inUserNamespace = inUserNamespace
    self.ignoreOwnershipErrors = ignoreOwnershipErrors
  }
}

/// What was found out about a layer while it was written.
package struct AppliedLayer: Sendable {
  /// Digest and size of the bytes as they came.
  package var compressedDigest: Digest
  package var compressedSize: Int64
  /// Digest and size of the plain tar: `diff-digest` and `diff-size` of the record.
  package var diffID: Digest
  package var diffSize: Int64
  package var compression: Compression
  /// The owners of its entries as the archive has them, sorted.
  package var uids: [UInt32]
  package var gids: [UInt32]
  /// The bytes of all its files, each inode once: what applying returns (storage-format 4.9).
  package var contentSize: Int64
}

/// Writes the tar in `blob` below the directory `diff` and its tar-split to `tarSplit`.
///
/// `progress` is called now and then with the number of bytes of the plain tar so far. What had
/// been written when an error is thrown is left for the caller to remove; nothing is ever written
/// outside `diff`.
package func applyLayer(
  _ blob: any ByteSource, to diff: FileDescriptor, tarSplit: any ByteSink, options: ApplyOptions,
  progress: ((Int64) -> Void)? = nil
) throws(StreamError) -> AppliedLayer {
  throw StreamError(.unsupported, "not yet")
}
