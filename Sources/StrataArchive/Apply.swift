import StrataCompression
import StrataDigest
package import StrataModel
package import StrataSystem
import Synchronization

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
  /// Where the directory will be, if it is moved when the layer is whole: what is longest for a name
  /// depends on that.
  package var target: RawPath?

  package init(
    mappings: IDMappings = IDMappings(), whiteouts: Whiteouts = .keep,
    inUserNamespace: Bool = false, ignoreOwnershipErrors: Bool = false, target: RawPath? = nil
  ) {
    self.target = target
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
  /// The devices that a user namespace did not let be made: the first one's name, and how many.
  package var devicesLeftOut: (first: String, count: Int)?
  /// Whether an entry decided owner and mode of the layer's root, which keeps those that it has else.
  package var rootIsGiven: Bool
}

/// Writes the tar in `blob` below the directory `diff` and its tar-split to `tarSplit`.
///
/// Reading, decompressing and both digests run on a thread of their own; here the entries are parsed
/// and written. `progress` is called now and then with the number of bytes of the blob so far.
/// What had been written when an error is thrown is left for the caller to remove; nothing is ever
/// written outside `diff`.
package func applyLayer(
  _ blob: any ByteSource, to diff: FileDescriptor, tarSplit: any ByteSink, options: ApplyOptions,
  progress: ((Int64) -> Void)? = nil
) throws(StreamError) -> AppliedLayer {
  let counted = CountedSource(blob)
  let compressed = DigestingSource(counted)
  let plain = try DecompressingSource(compressed)
  let digested = plain.compression == .none ? nil : DigestingSource(plain)
  let ahead = try ReadAheadSource(digested ?? plain)
  defer { ahead.stop() }
  let recorder = TarSplitWriter(to: tarSplit)
  let reader = TarReader(ahead, recorder: recorder)
  let writer = try LayerWriter(reader, recorder, diff, options) { progress?(counted.byteCount) }
  while let header = try reader.next() {
    try writer.write(header)
  }
  try reader.drain()
  let contentSize = try writer.finish()
  try recorder.finish()
  ahead.stop()
  let compressedDigest = compressed.digest()
  return AppliedLayer(
    compressedDigest: compressedDigest, compressedSize: compressed.byteCount,
    diffID: digested?.digest() ?? compressedDigest,
    diffSize: digested?.byteCount ?? compressed.byteCount, compression: plain.compression,
    uids: writer.uids.sorted(), gids: writer.gids.sorted(), contentSize: contentSize,
    devicesLeftOut: writer.devicesLeftOut, rootIsGiven: writer.rootIsGiven)
}

/// Counts the bytes that are read on one thread for another that tells of them.
private final class CountedSource: ByteSource {
  private let source: any ByteSource
  private let count = Atomic<Int64>(0)

  init(_ source: any ByteSource) { self.source = source }

  /// How many bytes were read so far.
  var byteCount: Int64 { count.load(ordering: .relaxed) }

  func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    let read = try source.read(into: &span)
    count.add(Int64(read), ordering: .relaxed)
    return read
  }
}
