/// Texts that explain the program.
enum Usage {
  /// What the peer prints without arguments: header and verbs, which go to standard output.
  static let peerOverview: String = {
    let verbs = peerOrder.compactMap { VerbTable.verb($0, for: .peer) }
    let width = verbs.map(\.name.count).max() ?? 0
    var text = "Usage: containers-storage command [options [...]]\n\nCommands:\n\n"
    for verb in verbs {
      text += "  \(verb.name.padded(to: width + 5))\(verb.summary)\n"
    }
    return text + "\nOptions:\n"
  }()

  /// The order of the peer's list.
  private static let peerOrder = [
    "container", "list-container-data", "get-container-data", "get-container-data-size",
    "get-container-data-digest", "set-container-data", "get-container-dir",
    "get-container-run-dir", "container-parent-owners", "containers", "create-layer",
    "import-layer", "create-image", "create-container", "delete", "delete-layer", "delete-image",
    "delete-container", "changes", "diffsize", "diff", "applydiff",
    "applydiff-using-staging-dir", "check", "config", "copy", "dedup", "exists", "gc", "image",
    "get-image-dir", "get-image-run-dir", "list-image-data", "get-image-data",
    "get-image-data-size", "get-image-data-digest",
    "set-image-data", "images", "images-by-digest", "layer", "layer-parent-owners",
    "list-layer-data", "get-layer-data", "set-layer-data", "layers", "storage-layers",
    "create-storage-layer", "metadata", "set-metadata",
    "mount", "unmount", "mounted", "get-names", "add-names", "set-names", "remove-names",
    "shutdown", "status", "unshare", "version", "wipe",
  ]

  /// The usage of one verb of the peer, without its options.
  static func peerVerb(_ verb: Verb) -> String {
    var usage = "[options [...]]" + (verb.usage.isEmpty ? "" : " " + verb.usage)
    if let odd = verb.names.lazy.compactMap({ oddPeerUsage[$0] }).first { usage = odd }
    return "Usage: containers-storage \(verb.name) \(usage)\n\n\(verb.summary)\n\nOptions:\n"
  }

  /// Usage lines of the peer that say less, or other words, than what its verb takes.
  private static let oddPeerUsage = [
    "applydiff": "[options [...]] layerNameOrID [referenceLayerNameOrID]",
    "create-image": "[options [...]] topLayerNameOrID",
    "delete": "[LayerOrImageOrContainerNameOrID [...]]",
    "delete-container": "[ContainerNameOrID [...]]",
    "delete-image": "[ImageNameOrID [...]]",
    "delete-layer": "[LayerNameOrID [...]]",
    "exists": "[LayerOrImageOrContainerNameOrID [...]]",
    "get-layer-data": "[options [...]] layerID dataName",
    "images-by-digest": "[options [...]] DIGEST",
    "metadata": "[LayerOrImageOrContainerNameOrID [...]]",
    "mounted": "LayerOrContainerNameOrID",
    "set-layer-data": "[options [...]] layerID dataName",
    "set-metadata": "[options [...]] layerOrImageOrContainerNameOrID",
    "shutdown": "", "status": "", "unmount": "LayerOrContainerNameOrID", "version": "", "wipe": "",
  ]

  /// The options of the peer's kind, aligned, sorted by name.
  static func options(_ flags: [PeerFlag]) -> String {
    let heads = flags.map { flag in
      flag.names.joined(separator: ", ") + (flag.kind == .list ? "=[]" : "")
    }
    let width = heads.map(\.count).max() ?? 0
    let lines = zip(heads, flags).sorted { $0.0 < $1.0 }
      .map { "  \($0.0.padded(to: width + 4))\($0.1.help)\n" }
    return "\n" + lines.joined()
  }

  /// What `strata` prints without arguments.
  static let overview: String = {
    var text = """
      Strata keeps container images, layers and containers in the store that podman uses.

      Usage: strata [options] VERB [options] [words]


      """
    let verbs = VerbTable.all
    let width = verbs.map(\.name.count).max() ?? 0
    for group in Verb.Group.allCases {
      text += "\(group.rawValue):\n"
      for verb in verbs where verb.group == group {
        text += "  \(verb.name.padded(to: width + 2))\(verb.shownSummary)\n"
      }
      text += "\n"
    }
    text += "Options, before or after the verb:\n"
    text += String(options(PeerFlag.global(for: .strata)).dropFirst())
    text += """

      Examples:
        strata import oci:./busybox:latest    read an image from a folder
        strata images                         see what is there
        strata create busybox --name box      make a container of it
        strata mount box                      and have its files in a folder

      `strata VERB --help` tells more.

      """
    return text
  }()

  /// The help of one verb of the peer's kind, for `strata`.
  static func verb(_ verb: Verb) -> String {
    let rest = verb.usage.isEmpty ? "" : " " + verb.usage
    var text = "\(verb.shownSummary).\n\nUsage: strata \(verb.name) [options]\(rest)\n"
    let others = verb.names.dropFirst() + verb.ownNames
    if !others.isEmpty { text += "Also spelled: \(others.joined(separator: ", "))\n" }
    if !verb.flags.isEmpty { text += "\nOptions:" + options(verb.flags) }
    if !verb.examples.isEmpty {
      text += "\nExamples:\n"
      let width = verb.examples.map(\.line.count).max() ?? 0
      for example in verb.examples {
        text += "  \(example.line.padded(to: width + 2))\(example.what)\n"
      }
    }
    return text + "\nStore options:" + options(PeerFlag.global(for: .strata))
  }
}

extension String {
  /// The text with blanks behind it.
  func padded(to width: Int) -> String {
    self + String(repeating: " ", count: Swift.max(0, width - count))
  }
}
