public import StrataModel
public import StrataStore
import StrataSystem

/// How a container becomes an image.
public struct CommitOptions {
  /// Names for the image, brought to podman's normal form.
  public var names: [String] = []
  /// A comment for its history.
  public var message: String?
  /// Who made it.
  public var author: String?
  /// Changes to the config, as `CMD ["/bin/sh"]`: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD,
  /// STOPSIGNAL, USER, VOLUME, WORKDIR.
  public var changes: [String] = []
  /// Told of each step.
  public var progress: (any TransferProgress)?

  /// An image without a name.
  public init() {}
}

/// Makes an image of what a container has written on top of its own image.
public func commit(
  container: String, in store: Store, options: CommitOptions = CommitOptions()
) throws(StoreError) -> ImageRecord {
  throw StoreError(.notSupported, "not built yet")
}
