import StrataJSON
import StrataModel
import StrataStore

extension Verb {
  static let changes = Verb(
    names: ["changes"], group: .anything, usage: "layerNameOrID [referenceLayerNameOrID]",
    summary: "Compare two layers",
    ownSummary: "List what makes a layer differ from its parent, or from another", flags: [.json],
    minimum: 1, maximum: 2,
    examples: [
      ("strata changes box", "what a container has changed: C, A and D as podman diff"),
      ("strata changes new old", "how the trees of two images differ"),
    ],
    body: .peer { call in
      let store = try call.session.store()
      let changes = try store.changes(
        try call.layerKey(call.words[0]), from: try call.words.dropFirst().first.map(call.layerKey))
      if call.json {
        if changes.isEmpty { return call.line(.null) }
        return call.line(.array(changes.map(json)))
      }
      for change in changes {
        call.output.line(
          call.isPeer ? "\(word(change.kind)) \(quoted(path(change)))" : oneLine(change.description)
        )
      }
    })

  static let diffSize = Verb(
    names: ["diffsize", "diff-size"], group: .anything,
    usage: "layerNameOrID [referenceLayerNameOrID]", summary: "Compare two layers",
    ownSummary: "Show the size of what makes a layer differ from its parent, or from another",
    flags: [.ownJSON], minimum: 1, maximum: 2,
    examples: [
      ("strata diffsize box", "what a container has written"),
      ("strata diffsize new old", "what an image has that another has not"),
    ],
    body: .peer { call in
      let size = try call.session.store().diffSize(
        try call.layerKey(call.words[0]), from: try call.words.dropFirst().first.map(call.layerKey))
      call.answer(.integer(size), String(size))
    })
}

extension Call {
  /// The layer that a word means: itself, or for `strata` a container's or an image's top one.
  func layerKey(_ word: String) throws -> String {
    guard !isPeer else { return word }
    let store = try session.store()
    let (kind, id) = try store.identify(try session.key(word, in: store))
    switch kind {
    case .layer: return id
    case .container: return try store.container(id).layer
    case .image:
      guard let layer = try store.image(id).layer, !layer.isEmpty else {
        throw StoreError(.layerUnknown, "\(word) is an image without layers")
      }
      return layer
    }
  }
}

private func json(_ change: Change) -> JSONValue {
  .members([("Path", .string(path(change))), ("Kind", .integer(change.kind.rawValue))])
}

private func path(_ change: Change) -> String {
  String(decoding: change.path, as: UTF8.self)
}

private func word(_ kind: ChangeKind) -> String {
  switch kind {
  case .modified: "Modify"
  case .added: "Add"
  case .deleted: "Delete"
  }
}
