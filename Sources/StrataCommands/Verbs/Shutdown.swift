import StrataConfig
import StrataJSON
import StrataModel
import StrataStore

extension Verb {
  static let shutdown = Verb(
    names: ["shutdown"], group: .store, usage: "", summary: "Shut down layer storage",
    flags: [.switched("--force", "-f", help: "Unmount mounted layers first"), .json],
    examples: [
      ("strata shutdown", "takes the bind mount of overlay/ away; nothing may be mounted"),
      ("strata shutdown --force", "unmounts all layers first"),
    ],
    body: .peer { call in
      do throws(StoreError) {
        try call.opened().shutdown(force: call.arguments.isOn("force"))
        if call.json { call.line(.string("")) }
      } catch {
        if call.json {
          call.line(.members([]))
        } else {
          if call.isPeer {
            call.say("shutdown: \(error)")
          } else {
            let advice = error.code == .layerUsedByContainer ? ": unmount first, or --force" : ""
            call.output.error("strata: shutdown: \(error)\(advice)")
          }
        }
        throw Exit(status: ExitStatus.failure)
      }
    })

  static let wipe = Verb(
    names: ["wipe"], group: .store, usage: "", summary: "Wipe all layers, images, and containers",
    flags: [
      .switched(
        "--force", "-f", help: "Do it without asking", isOfPeer: false), .json,
    ],
    examples: [("strata wipe --force", "the store is empty afterwards")],
    body: .peer { call in
      if !call.isPeer, !call.arguments.isOn("force") {
        let root = try call.session.settings().graphRoot
        throw StoreError(
          .usage, "this deletes everything in \(root), podman's containers too: add --force")
      }
      try call.session.store().wipe()
      if call.json { call.line(.string("")) }
    })
}

extension Call {
  /// The store, for a body with typed errors; a store that does not open ends the verb as usual.
  fileprivate func opened() throws(StoreError) -> Store {
    do {
      return try session.store()
    } catch let error as StoreError {
      throw error
    } catch {
      throw StoreError(.usage, failureText(error))
    }
  }
}
