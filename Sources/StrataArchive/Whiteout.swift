import StrataModel
import StrataSystem

/// The names of whiteouts in an archive (OCI image layer specification).
package enum Whiteout {
  package static let prefix = Array(".wh.".utf8)
  package static let metaPrefix = Array(".wh..wh.".utf8)
  /// Everything that lower layers have in this directory is hidden.
  package static let opaque = Array(".wh..wh..opq".utf8)
  /// The longest name of a file, NAME_MAX.
  private static let longestName = 255

  /// What a whiteout hides that is itself too long for the name of a file, as that of every name of more
  /// than 251 bytes is; nil for any other name.
  static func hiddenByLongName(_ last: ArraySlice<UInt8>) -> RawPath? {
    guard last.count > longestName, last.starts(with: prefix), !last.starts(with: metaPrefix),
      last.count - prefix.count <= longestName
    else { return nil }
    return RawPath(last.dropFirst(prefix.count))
  }
}

/// Attributes that mean something to overlay programs: a layer must not carry them in.
package enum PrivateXattr {
  static let defaultACL = Array("system.posix_acl_default".utf8)
  static let prefixes = [
    "trusted.overlay.", "user.overlay.", "user.fuseoverlayfs.", "security.fuseoverlayfs.",
  ].map { Array($0.utf8) }
  static let names = ["user.containers.override_stat", "security.selinux"].map { Array($0.utf8) }

  package static func isLeftOut(_ name: [UInt8]) -> Bool {
    names.contains(name) || prefixes.contains { name.starts(with: $0) }
  }
}

/// Whiteouts that take effect at once, for a directory that holds the parent's content too.
extension LayerWriter {
  /// Does what the entry says if it is a whiteout; false if it is an entry like any other.
  func applyWhiteout(_ name: CleanName, _ header: TarHeader) throws(StreamError) -> Bool {
    let last = Array(name.last)
    // The peer makes the parents of an entry before it looks at what it is.
    let directory = try parent(of: name, header)
    guard last.starts(with: Whiteout.prefix) else {
      // What old AUFS kept beside a layer's files.
      return name.bytes.starts(with: Whiteout.metaPrefix)
    }
    do throws(Errno) {
      if last == Whiteout.opaque {
        try removeUnpacked(directory.view, path: Array(name.parent))
      } else if !last.starts(with: Whiteout.metaPrefix) {
        let hidden = RawPath(last.dropFirst(Whiteout.prefix.count))
        if hidden.isEmpty || hidden == "." || hidden == ".." {
          throw .invalidArgument
        }
        try directory.view.removeTree(hidden)
      }
    } catch { throw failure(error, "apply the whiteout", header) }
    cache.forget()
    return true
  }

  /// Removes everything below a directory that this layer did not make.
  private func removeUnpacked(_ directory: FileDescriptor, path: [UInt8]) throws(Errno) {
    for entry in try directory.entries() {
      let below = path.isEmpty ? Array(entry.name.bytes) : path + [0x2f] + entry.name.bytes
      if !unpacked.contains(below) {
        try directory.removeTree(entry.name)
      } else if try directory.status(of: entry.name).type == .directory {
        let opened = try directory.open(entry.name, [.path, .directory, .noFollow])
        try removeUnpacked(opened.view, path: below)
      }
    }
  }
}
