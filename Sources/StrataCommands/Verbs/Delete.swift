import StrataJSON
import StrataModel
import StrataStore

extension Verb {
  private static let force = PeerFlag.switched(
    "--force", "-f", help: "Delete what another tool has made", isOfPeer: false)

  static let delete = Verb(
    names: ["delete"], ownNames: ["rm"], group: .anything,
    usage: "LayerOrImageOrContainerNameOrID [...]",
    summary: "Delete a layer or image or container, with no safety checks",
    ownSummary: "Delete a layer, image or container that nothing uses",
    flags: [
      .json,
      .switched(
        "--force", "-f", help: "Delete what another tool has made, and a layer that is in use",
        isOfPeer: false),
    ],
    minimum: 1, maximum: nil,
    examples: [
      ("strata rm box", "a container and what was written in it"),
      ("strata rm --force web", "one that podman has made, behind its back"),
      ("strata rm --force LAYER", "a layer, whatever stands on it"),
    ],
    body: .peer { call in
      let store = try call.session.store()
      try call.delete { word throws(StoreError) in
        let key = try call.session.key(word, in: store)
        try call.refuseForeign(key, in: store)
        // For `strata` an image goes with its layers, as people expect of `rm`, and a layer only
        // where nothing stands on it.
        if !call.isPeer, let id = try? store.image(key).id {
          try store.deleteImage(id)
        } else if call.isPeer || call.arguments.isOn("force")
          || (try? store.container(key).layer).map({ $0 != key }) ?? false
        {
          // A container's layer, given by its own id, is no container here.
          try store.delete(key)
        } else {
          try call.deleteUnusedLayer(store.layer(key).id, in: store)
        }
      }
    })

  static let deleteLayer = Verb(
    names: ["delete-layer"], group: .layers, usage: "layerNameOrID [...]",
    summary: "Delete a layer, with safety checks", flags: [.json], minimum: 1, maximum: nil,
    examples: [("strata delete-layer LAYER", "refused while something stands on it")],
    body: .peer { call in
      let store = try call.session.store()
      try call.delete { word throws(StoreError) in try store.deleteLayer(word) }
    })

  static let deleteContainer = Verb(
    names: ["delete-container"], group: .containers, usage: "containerNameOrID [...]",
    summary: "Delete a container, with safety checks", flags: [.json, force], minimum: 1,
    maximum: nil,
    examples: [("strata delete-container box", "with its layer and folders")],
    body: .peer { call in
      let store = try call.session.store()
      try call.delete { word throws(StoreError) in
        let key = try call.session.containerKey(word, in: store)
        try call.refuseForeign(key, in: store)
        try store.deleteContainer(key)
      }
    })

  static let deleteImage = Verb(
    names: ["delete-image"], ownNames: ["rmi"], group: .images, usage: "imageNameOrID [...]",
    summary: "Delete an image, with safety checks",
    flags: [.switched("--test", "-t", help: "Only test removal"), .json], minimum: 1,
    maximum: nil,
    examples: [("strata rmi --test busybox", "which layers would go")],
    body: .peer { call in
      let store = try call.session.store()
      var answers: [(String, JSONValue)] = []
      var failed = false
      for word in call.words {
        var members: [(String, JSONValue)] = []
        do throws(StoreError) {
          let key = try call.session.imageKey(word, in: store)
          let layers = try store.deleteImage(key, commit: !call.arguments.isOn("test"))
          if !layers.isEmpty { members.append(("deleted-layers", .strings(layers))) }
          // The peer names them on standard error.
          if !call.json {
            layers.forEach { call.isPeer ? call.say("\(word): \($0)") : call.output.line($0) }
          }
        } catch {
          failed = true
          members.append(("error", .string(error.message)))
          if !call.json { call.say("\(word): \(error)") }
        }
        answers.append((word, .members(members)))
      }
      if call.json { call.line(byWord: answers) }
      if failed { throw Exit(status: ExitStatus.failure) }
    })
}

extension Call {
  /// Deletes what each word names; with JSON the errors stand in it, otherwise on standard error.
  fileprivate func delete(_ body: (String) throws(StoreError) -> Void) throws {
    var answers: [(String, JSONValue)] = []
    var failed = false
    for word in words {
      var message = ""
      do throws(StoreError) {
        try body(word)
      } catch {
        failed = true
        message = error.message
        if !json { say("\(word): \(message)") }
      }
      answers.append((word, .string(message)))
    }
    if json { line(byWord: answers) }
    if failed { throw Exit(status: ExitStatus.failure) }
  }

  /// Deletes a layer that nothing uses, or says how one in use is deleted.
  fileprivate func deleteUnusedLayer(_ id: String, in store: Store) throws(StoreError) {
    do throws(StoreError) {
      try store.deleteLayer(id)
    } catch {
      let inUse: [StoreError.Code] = [.layerHasChildren, .layerUsedByImage, .layerUsedByContainer]
      guard inUse.contains(error.code) else { throw error }
      throw StoreError(error.code, "\(error.message): --force deletes it all the same")
    }
  }

  /// Refuses to delete another tool's container: that tool's own database would go on naming it.
  fileprivate func refuseForeign(_ key: String, in store: Store) throws(StoreError) {
    guard !isPeer, !arguments.isOn("force"), let container = try? store.container(key),
      let owner = try? session.owner(of: container)
    else { return }
    let tool = owner.rawValue
    let remove = owner == .crio ? "crictl rm" : "\(tool) rm"
    throw StoreError(
      .usage,
      "this container is \(tool)'s, which would go on listing it: "
        + "use `\(remove) \(container.names.first ?? container.id)`, or --force")
  }
}
