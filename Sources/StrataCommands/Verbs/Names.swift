import StrataJSON
import StrataModel
import StrataStore

extension Verb {
  private static let nameFlags: [PeerFlag] = [.list("--name", "-n", help: "New name"), .json]

  static let getNames = Verb(
    names: ["get-names"], group: .anything, usage: "imageOrContainerNameOrID",
    summary: "Get layer, image, or container name or names", flags: [.json], minimum: 1,
    maximum: 1,
    examples: [("strata get-names busybox", "one a line")],
    body: .peer { call in
      let store = try call.session.store()
      let names = try store.names(try call.session.key(call.words[0], in: store))
      if call.json { return call.line(.strings(names)) }
      names.forEach { call.output.line($0) }
    })

  static let addNames = Verb(
    names: ["add-names"], ownNames: ["tag"], group: .anything, usage: "imageOrContainerNameOrID",
    summary: "Add layer, image, or container name or names", flags: nameFlags, minimum: 1,
    maximum: 1,
    examples: [("strata add-names --name v2 busybox", "a second name for an image")],
    body: .peer { call in
      try call.change { store, key, names throws(StoreError) in try store.addNames(key, names) }
    })

  static let setNames = Verb(
    names: ["set-names"], group: .anything, usage: "imageOrContainerNameOrID",
    summary: "Set layer, image, or container name or names", flags: nameFlags, minimum: 1,
    maximum: 1,
    examples: [("strata set-names -n new -n newer busybox", "these names and no others")],
    body: .peer { call in
      try call.change { store, key, names throws(StoreError) in try store.setNames(key, names) }
    })

  static let removeNames = Verb(
    names: ["remove-names"], ownNames: ["untag"], group: .anything,
    usage: "imageOrContainerNameOrID",
    summary: "Remove layer, image, or container name or names", flags: nameFlags, minimum: 1,
    maximum: 1,
    examples: [("strata remove-names -n old busybox", "keeps the image")],
    body: .peer { call in
      try call.change { store, key, names throws(StoreError) in
        try store.removeNames(key, names)
      }
    })
}

extension Call {
  /// Changes the names of what the word names, and answers with all of them where that is asked for.
  fileprivate func change(
    _ body: (Store, String, [String]) throws(StoreError) -> [String]
  ) throws {
    let store = try session.store()
    let key = try session.key(words[0], in: store)
    let result = try body(store, key, try namesFor(key, in: store))
    if json { line(.strings(result)) }
  }

  /// For `strata`, names of images in podman's normal form; otherwise as given.
  private func namesFor(_ key: String, in store: Store) throws -> [String] {
    let names = arguments.list("name")
    guard !isPeer, try store.identify(key).kind == .image else { return names }
    return try names.map { try session.imageName($0) }
  }
}
