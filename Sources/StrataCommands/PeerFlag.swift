/// One option of a verb as containers-storage spells it.
package struct PeerFlag: Sendable {
  /// What the option takes.
  package enum Kind: Sendable {
    /// Nothing, or `=true` and `=false`.
    case switched
    /// One text; the last one given counts.
    case text
    /// A text, collected over repetitions.
    case list
  }

  /// With their dashes, the long one first: `--name`, `-n`.
  package var names: [String]
  package var kind: Kind
  package var help: String
  /// Whether it may stand before the verb too.
  package var isGlobal = false
  /// Whether the peer has it; others are ours alone and unknown when called by the peer's name.
  package var isOfPeer = true

  /// The name that values are filed under: the first one, without dashes.
  package var key: String { String(names[0].drop { $0 == "-" }) }

  package static func switched(_ names: String..., help: String, isOfPeer: Bool = true) -> PeerFlag
  {
    PeerFlag(names: names, kind: .switched, help: help, isOfPeer: isOfPeer)
  }

  package static func text(_ names: String..., help: String, isOfPeer: Bool = true) -> PeerFlag {
    PeerFlag(names: names, kind: .text, help: help, isOfPeer: isOfPeer)
  }

  package static func list(_ names: String..., help: String, isOfPeer: Bool = true) -> PeerFlag {
    PeerFlag(names: names, kind: .list, help: help, isOfPeer: isOfPeer)
  }

  package static let json = switched("--json", "-j", help: "Prefer JSON output")

  /// The same where the peer has none.
  package static let ownJSON = switched(
    "--json", "-j", help: "Prefer JSON output", isOfPeer: false)

  /// The options that count on both sides of every verb, for the program that was called.
  package static func global(for persona: Persona) -> [PeerFlag] {
    global.filter { persona == .strata || $0.isOfPeer }
  }

  private static let global: [PeerFlag] = [
    text("--graph", "-g", help: "Root of the storage tree"),
    text("--run", "-R", help: "Root of the runtime state tree"),
    text("--storage-driver", "-s", help: "Storage driver to use ($STORAGE_DRIVER)"),
    list("--storage-opt", help: "Set storage driver options ($STORAGE_OPTS)"),
    switched("--debug", "-D", help: "Print debugging information"),
    switched("--transient-store", help: "Keep container state in the run root alone"),
    text("--image-store", help: "Separate root for images"),
    switched("--unshare", "-U", help: "Enter a user namespace when not root"),
    text(
      "--lock-timeout", help: "Seconds to wait for a locked store, or none; 60 by default",
      isOfPeer: false),
    text(
      "--als-timeout",
      help: "Seconds that an additional layer store may take to answer; 5 by default",
      isOfPeer: false),
    text(
      "--sync",
      help: "filesystem, or none: whether new layers are brought to the disk before they count",
      isOfPeer: false),
    switched("--help", "-h", help: "Print usage"),
  ].map { flag in
    var flag = flag
    flag.isGlobal = true
    return flag
  }
}
