import StrataJSON
import StrataModel
import StrataStore

extension Verb {
  static let layerParentOwners = Verb(
    names: ["layer-parent-owners"], group: .layers, usage: "layerNameOrID [...]",
    summary: "Compute the set of unmapped parent UIDs and GIDs of the layer", flags: [.json],
    minimum: 1, maximum: nil,
    examples: [
      ("strata layer-parent-owners LAYER", "owners above its mount that its maps do not know")
    ],
    body: .peer { call in
      let store = try call.session.store()
      try call.owners { word throws(StoreError) in
        let id = try store.layer(word).id
        return (id, try store.parentOwners(id))
      }
    })

  static let containerParentOwners = Verb(
    names: ["container-parent-owners"], group: .containers, usage: "containerNameOrID [...]",
    summary: "Compute the set of unmapped parent UIDs and GIDs of the container", flags: [.json],
    minimum: 1, maximum: nil,
    examples: [
      ("strata container-parent-owners box", "owners above its mount that its maps do not know")
    ],
    body: .peer { call in
      let store = try call.session.store()
      try call.owners(showsNone: true) { word throws(StoreError) in
        let container = try store.container(word)
        return (container.id, try store.parentOwners(container.layer))
      }
    })
}

extension Call {
  /// The owners above a mount that its ID maps do not know; of containers the peer names none too.
  fileprivate func owners(
    showsNone: Bool = false,
    _ find: (String) throws(StoreError) -> (id: String, owners: (uids: [UInt32], gids: [UInt32]))
  ) throws {
    var failed = false
    for word in words {
      do throws(StoreError) {
        let (id, (uids, gids)) = try find(word)
        if json {
          line(.members([("ID", .string(id)), ("UIDs", list(uids)), ("GIDs", list(gids))]))
        } else {
          output.line("ID: \(id)")
          for (name, ids) in [("UIDs", uids), ("GIDs", gids)] where showsNone || !ids.isEmpty {
            output.line("\(name): [\(ids.map(String.init).joined(separator: ", "))]")
          }
        }
      } catch {
        failed = true
        if !isPeer { say("\(word): \(error)") }
      }
    }
    if failed { throw Exit(status: ExitStatus.failure) }
  }
}

private func list(_ ids: [UInt32]) -> JSONValue {
  ids.isEmpty ? .null : .array(ids.map { .integer($0) })
}
