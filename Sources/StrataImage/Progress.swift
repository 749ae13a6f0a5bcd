public import StrataModel

/// One layer of an image on its way in or out.
public struct TransferLayer: Sendable {
  /// The digest of the blob as it is named where it is read, or of the tar where there is no other.
  public var digest: Digest
  /// How many bytes will be read, if that is known beforehand.
  public var size: Int64?

  /// A layer of this digest.
  package init(digest: Digest, size: Int64?) {
    self.digest = digest
    self.size = size
  }
}

/// What happens while an image is imported, exported or committed.
public enum TransferEvent: Sendable {
  /// The layers, lowest first; the numbers in later events are positions in this list.
  case planned([TransferLayer])
  /// The layer is in the store already and is not read.
  case skipped(Int)
  /// Work on the layer starts.
  case started(Int)
  /// So many bytes of the layer have been read since it was started.
  case advanced(Int, bytes: Int64)
  /// The layer is complete.
  case finished(Int)
  /// The layers are there; the image's own files and record are written.
  case finishing
}

/// Whoever wants to watch a transfer.
///
/// Called on the thread that transfers, often: be quick.
public protocol TransferProgress: AnyObject {
  /// Something happened.
  func report(_ event: TransferEvent)
}
