public import StrataModel
public import StrataStore
public import StrataSystem

/// How an image is imported.
public struct ImportOptions {
  /// Names for the image, brought to podman's normal form; none: those that the source has.
  public var names: [String] = []
  /// A comment for the history of an image that is made of a plain layer tar.
  public var message: String?
  /// Changes to the config of such an image, as `CMD ["/bin/sh"]`.
  public var changes: [String] = []
  /// The folder for temporary files: standard input and compressed archives.
  public var temporaryDirectory: RawPath = "/var/tmp"
  /// Told of each step.
  public var progress: (any TransferProgress)?

  /// Everything as it comes.
  public init() {}
}

/// Reads an image into a store and returns its record.
///
/// Every blob's digest and size and every diff ID is verified while it is read; a layer that the
/// store has complete is not read at all. On failure no layer that was made here and that nothing
/// else uses stays behind.
public func importImage(
  _ source: ImageSource, into store: Store, options: ImportOptions = ImportOptions()
) throws(StoreError) -> ImageRecord {
  throw StoreError(.notSupported, "not built yet")
}

/// Brings an image name to podman's normal form: `two` is `localhost/two:latest`.
public func normalizedReference(_ name: String) throws(StoreError) -> String {
  do throws(Reference.InvalidReference) {
    return try Reference(normalizing: name).description
  } catch {
    throw StoreError(.usage, error.description)
  }
}
