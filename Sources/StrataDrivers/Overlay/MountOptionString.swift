// The text that a mount program gets behind `-o`, part by part in the peers' order
// (storage-format 6.3, measured there with 1.43 and podman 4.3).

import StrataModel
import StrataSystem

/// The directories and options of one mount.
struct MountOptionString {
  /// Absolute paths, uppermost first.
  var lowers: [RawPath]
  /// Upper and work directory; nil for a read-only mount.
  var upper: (diff: RawPath, work: RawPath)?
  /// Options for the mount program; mount flags among them are left out.
  var options: [String] = []
  /// SELinux label, or empty.
  var label = ""
  /// Maps to shift ids by.
  var mappings = IDMappings()

  /// Words of mount(8) that stand for a flag of the mount and are not for the program.
  ///
  /// The peers take them out too, `ro` included: a mount is read-only where it has no upper
  /// directory.
  private static let flags: Set<String> = [
    "ro", "rw", "nodev", "dev", "nosuid", "suid", "noexec", "exec", "noatime", "atime",
    "nodiratime",
    "diratime", "relatime", "norelatime", "strictatime", "nostrictatime", "sync", "async",
    "dirsync",
    "remount", "mand", "nomand", "bind", "rbind", "unbindable", "runbindable", "private",
    "rprivate",
    "shared", "rshared", "slave", "rslave",
  ]

  /// The whole text.
  var text: RawPath {
    let colon = [UInt8(ascii: ":")]
    var bytes = Array("lowerdir=".utf8) + lowers.map(\.bytes).joined(separator: colon)
    if let upper {
      bytes += Array(",upperdir=".utf8) + upper.diff.bytes
      bytes += Array(",workdir=".utf8) + upper.work.bytes
    }
    for word in words { bytes += Array(",\(word)".utf8) }
    return RawPath(bytes)
  }

  private var words: [String] {
    // `metacopy` is for the kernel's overlay alone.
    var words = options.filter {
      !$0.isEmpty && !Self.flags.contains($0) && !$0.hasPrefix("metacopy=")
    }
    if !label.isEmpty { words.append("context=\"\(label)\"") }
    // The side without a map gets an empty one.
    if !mappings.isEmpty {
      words.append(Self.mapping("uid", mappings.uids))
      words.append(Self.mapping("gid", mappings.gids))
    }
    return words
  }

  /// `uidmapping=:0:100000:65536` with a colon before each triple, or, for one map of one id,
  /// `squash_to_uid=HOST`.
  private static func mapping(_ kind: String, _ maps: [IDMap]) -> String {
    if maps.count == 1, maps[0].size == 1 { return "squash_to_\(kind)=\(maps[0].hostID)" }
    let triples = maps.map { ":\($0.containerID):\($0.hostID):\($0.size)" }
    return "\(kind)mapping=" + triples.joined()
  }
}
