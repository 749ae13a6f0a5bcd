package import StrataSystem

/// Where the overlay's own marks are written.
package enum MarkNamespace: Sendable {
  /// `trusted.overlay.`: real root.
  case trusted
  /// `user.overlay.`: a user namespace, which may not write the other.
  case user
  /// Neither can be written: marker files it is.
  case none

  /// The attribute of a mark such as `opaque`.
  func name(_ mark: String) -> RawPath {
    RawPath((self == .trusted ? "trusted.overlay." : "user.overlay.") + mark)
  }

  /// The mark of an upper file whose name starts with `.wh.` and means nothing by it.
  var literal: RawPath { self == .trusted ? "trusted.strata.literal" : "user.strata.literal" }
}

/// Which attributes of the layers a user of the mount sees, and under which names.
///
/// The overlay's own are hidden. A user's attribute of such a name is kept under one with `overlay.`
/// (or `strata.`) doubled, as the kernel's overlay keeps it, so that an overlay inside a container works.
package enum PrivateXattrs {
  /// Each prefix of our own, and what is put behind it in the name of a user's attribute.
  private static let own: [(prefix: [UInt8], escape: [UInt8])] = [
    ("trusted.", "overlay."), ("user.", "overlay."), ("trusted.", "strata."), ("user.", "strata."),
  ].map { (Array(($0 + $1).utf8), Array($1.utf8)) }
  /// Prefixes that nobody may see or set.
  private static let hidden: [[UInt8]] = ["user.fuseoverlayfs.", "security.fuseoverlayfs."].map {
    Array($0.utf8)
  }

  /// The name on disk for a name that a user gives; nil for one that is ours alone.
  package static func stored(_ name: RawPath) -> RawPath? {
    let bytes = name.bytes
    if hidden.contains(where: { bytes.starts(with: $0) }) { return nil }
    for (prefix, escape) in own where bytes.starts(with: prefix) {
      return RawPath(prefix + escape + bytes.dropFirst(prefix.count))
    }
    return name
  }

  /// The name to show for a name on disk; nil for one that is hidden.
  package static func shown(_ name: RawPath) -> RawPath? {
    let bytes = name.bytes
    if hidden.contains(where: { bytes.starts(with: $0) }) { return nil }
    for (prefix, escape) in own where bytes.starts(with: prefix) {
      let rest = bytes.dropFirst(prefix.count)
      guard rest.starts(with: escape) else { return nil }
      return RawPath(prefix + rest.dropFirst(escape.count))
    }
    return name
  }
}
