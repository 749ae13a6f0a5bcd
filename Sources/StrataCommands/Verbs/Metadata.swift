import StrataJSON
import StrataModel
import StrataStore

extension Verb {
  static let metadata = Verb(
    names: ["metadata"], group: .anything, usage: "LayerOrImageOrContainerNameOrID [...]",
    summary: "Retrieve layer, image, or container metadata",
    flags: [.switched("--quiet", "-q", help: "Omit names and IDs"), .json], minimum: 1,
    maximum: nil,
    examples: [("strata metadata box", "the text that its maker keeps with it")],
    body: .peer { call in
      let store = try call.session.store()
      var answers: [(word: String, text: String?)] = []
      for word in call.words {
        answers.append(
          (word, metadataText(of: (try? call.session.key(word, in: store)) ?? word, in: store)))
      }
      if call.json {
        call.line(
          byWord: answers.compactMap { pair in
            pair.text.map { (pair.word, .string($0.trimmingLineEnds)) }
          })
      } else {
        for (word, text) in answers {
          let trimmed = (text ?? "").trimmingLineEnds
          call.output.line(call.arguments.isOn("quiet") ? trimmed : "\(word): \(trimmed)")
        }
      }
      if answers.contains(where: { $0.text == nil }) { throw Exit(status: ExitStatus.failure) }
    })

  static let setMetadata = Verb(
    names: ["set-metadata"], group: .anything, usage: "LayerOrImageOrContainerNameOrID",
    summary: "Set layer, image, or container metadata",
    flags: [
      .text("--metadata", "-m", help: "Metadata"),
      .text("--metadata-file", "-f", help: "Metadata File"), .json,
    ], minimum: 1, maximum: 1,
    examples: [
      ("strata set-metadata -m '{}' box", "replaces it"),
      ("strata set-metadata -f notes.json box", "by the content of a file"),
    ],
    body: .peer { call in
      // An empty text counts as none, as with the peer; an empty file is one.
      let file = call.arguments.text("metadata-file") ?? ""
      guard let text = try call.metadataText(), !text.isEmpty || !file.isEmpty else {
        throw StoreError(.usage, "no new metadata provided")
      }
      let store = try call.session.store()
      try store.setMetadata(try call.session.key(call.words[0], in: store), text)
    })
}

private func metadataText(of key: String, in store: Store) -> String? {
  guard let (kind, id) = try? store.identify(key) else { return nil }
  return switch kind {
  case .layer: try? store.layer(id).metadata
  case .image: try? store.image(id).metadata
  case .container: try? store.container(id).metadata
  }
}

extension String {
  /// The text without the line ends behind it.
  var trimmingLineEnds: String {
    var text = self
    while text.last == "\n" || text.last == "\r\n" { text.removeLast() }
    return text
  }
}
