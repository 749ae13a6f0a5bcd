public import StrataModel
public import StrataStore
import StrataSystem

/// How an image is exported.
public struct ExportOptions {
  /// The compression of layers in OCI forms; nil: gzip, or zstd where the layer came in zstd.
  public var compression: Compression?
  /// Told of each step.
  public var progress: (any TransferProgress)?

  /// Everything as skopeo would do it.
  public init() {}
}

/// Writes an image out of a store and returns the digest of the manifest as written.
///
/// The config keeps its bytes and every layer its diff ID, which is verified while it is written.
/// The destination appears whole or not at all.
@discardableResult
public func exportImage(
  _ image: String, from store: Store, to destination: ImageDestination,
  options: ExportOptions = ExportOptions()
) throws(StoreError) -> Digest {
  throw StoreError(.notSupported, "not built yet")
}
