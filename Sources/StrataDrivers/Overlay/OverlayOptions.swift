package import StrataModel
package import StrataSystem

/// The options of the overlay driver, as storage.conf and `--storage-opt` give them
/// (storage-format 6.1, 7.2).
package struct OverlayOptions: Sendable {
  /// The program started for each mount.
  package var mountProgram: RawPath = ""
  /// `mountopt`, split at commas.
  package var mountOptions: [String] = []
  /// Whether the home is left as it is instead of being bind-mounted on itself.
  package var skipsHomeMount = false
  /// Whether owners that cannot be set are left as they are.
  package var ignoresOwnershipErrors = false
  /// Graph roots of additional image stores.
  package var imageStores: [RawPath] = []
  /// Where layers are looked up that need not be pulled, in this order.
  package var additionalLayerStores: [AdditionalLayerStore] = []

  package init() {}

  /// Reads `key=value` texts; later ones win, `imagestore` and `additionallayerstore` ones
  /// accumulate.
  ///
  /// Keys that a newer peer knows and that change nothing here are accepted; any other is an error
  /// that names it.
  package init(_ options: [String]) throws(StoreError) {
    for option in options {
      guard let equals = option.firstIndex(of: "=") else {
        throw StoreError(.usage, "unable to parse key/value option: \(option)")
      }
      try set(
        key: Self.withoutPrefix(String(option[..<equals])),
        value: String(option[option.index(after: equals)...]), spelled: option)
    }
  }

  private mutating func set(key: String, value: String, spelled: String) throws(StoreError) {
    switch key {
    case "mount_program": mountProgram = RawPath(value)
    case "mountopt": mountOptions = value.split(separator: ",").map(String.init)
    case "skip_mount_home": skipsHomeMount = try Self.boolean(value, spelled)
    case "ignore_chown_errors": ignoresOwnershipErrors = try Self.boolean(value, spelled)
    case "imagestore":
      for path in value.split(separator: ",") {
        guard path.hasPrefix("/") else {
          throw StoreError(
            .usage, "overlay: image path \"\(path)\" is not absolute.  Can not be relative")
        }
        imageStores.append(RawPath(String(path)))
      }
    case "size", "inodes":
      if !value.isEmpty, value != "0" {
        throw StoreError(
          .usage, "overlay: \(spelled): quotas need xfs with project quota and are not supported")
      }
    case "force_mask":
      if !value.isEmpty {
        throw StoreError(.usage, "overlay: \(spelled): force_mask is not supported")
      }
    case "additionallayerstore":
      for store in value.split(separator: ",", omittingEmptySubsequences: value.isEmpty) {
        additionalLayerStores.append(try AdditionalLayerStore(parsing: String(store)))
      }
    case "use_composefs":
      if try Self.boolean(value, spelled) {
        throw StoreError(.usage, "overlay: \(spelled): composefs is not supported")
      }
    case "sync": break
    default: throw StoreError(.usage, "overlay: unknown option overlay.\(key)")
    }
  }

  /// Takes `overlay.`, `overlay2.` or `.` off, and folds case as the peers do.
  private static func withoutPrefix(_ key: String) -> String {
    let lower = key.lowercased()
    for prefix in ["overlay.", "overlay2.", "."] where lower.hasPrefix(prefix) {
      return String(lower.dropFirst(prefix.count))
    }
    return lower
  }

  /// Go's ParseBool.
  private static func boolean(_ value: String, _ spelled: String) throws(StoreError) -> Bool {
    switch value {
    case "1", "t", "T", "true", "TRUE", "True": return true
    case "0", "f", "F", "false", "FALSE", "False", "": return false
    default: throw StoreError(.usage, "overlay: \(spelled): neither true nor false")
    }
  }
}
