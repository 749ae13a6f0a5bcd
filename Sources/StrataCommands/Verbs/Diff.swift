import StrataModel
import StrataStore
import StrataSystem

extension Verb {
  static let diff = Verb(
    names: ["diff"], group: .anything, usage: "layerNameOrID [referenceLayerNameOrID]",
    summary: "Compare two layers",
    flags: [
      .text("--file", "-f", help: "Write to file instead of stdout"),
      .switched("--uncompressed", "-u", help: "Use no compression"),
      .switched("--gzip", "-c", help: "Compress using gzip"),
      .switched("--bzip2", "--bz2", "-b", help: "Compress using bzip2"),
      .switched("--xz", "-x", help: "Compress using xz"),
    ], minimum: 1, maximum: 2,
    examples: [
      ("strata diff -u LAYER | sha256sum", "the digest that the layer came with"),
      ("strata diff -c -f box.tar.gz box", "what a container has changed, as a layer"),
    ],
    body: .peer { call in
      if !call.isPeer, call.arguments.text("file") == nil, isTerminal(.standardOutput) {
        throw StoreError(
          .usage,
          "a tar is not for a terminal: name a file with --file, or use a pipe; "
            + "`strata changes \(call.words[0])` lists the names")
      }
      let store = try call.session.store()
      let layer = try call.layerKey(call.words[0])
      let from = try call.words.dropFirst().first.map(call.layerKey)
      let chosen: [(String, Compression)] = [
        ("uncompressed", .none), ("gzip", .gzip), ("bzip2", .bzip2), ("xz", .xz),
      ]
      let compression = chosen.last { call.arguments.isOn($0.0) }?.1
      try call.withOutput { sink in
        try store.diff(layer, from: from, compression: compression, to: sink)
      }
    })

  static let applyDiff = Verb(
    names: ["applydiff", "apply-diff"], group: .layers, usage: "layerNameOrID",
    summary: "Apply a diff to a layer",
    flags: [.text("--file", "-f", help: "Read from file instead of stdin")], minimum: 1,
    maximum: 1,
    examples: [
      ("strata applydiff LAYER <layer.tar", "over what is there"),
      ("strata applydiff -f layer.tar.gz LAYER", "of a file, whatever its compression"),
    ],
    body: .peer { call in
      let store = try call.session.store()
      let layer = try call.layerKey(call.words[0])
      _ = try call.withInput { try store.applyDiff(to: layer, content: $0) }
    })
}
