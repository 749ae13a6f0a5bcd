import StrataJSON
import StrataModel
import StrataStore

extension Verb {
  static let layerParentOwners = Verb(
    names: ["layer-parent-owners"], group: .layers, usage: "layerNameOrID [...]",
    summary: "Compute the set of unmapped parent UIDs and GIDs of the layer", flags: [.json],
    minimum: 1, maximum: nil,
    body: .peer { call in
      let store = try call.session.store()
      try call.owners { word throws(StoreError) in try store.layer(word).id }
    })

  static let containerParentOwners = Verb(
    names: ["container-parent-owners"], group: .containers, usage: "containerNameOrID [...]",
    summary: "Compute the set of unmapped parent UIDs and GIDs of the container", flags: [.json],
    minimum: 1, maximum: nil,
    body: .peer { call in
      let store = try call.session.store()
      try call.owners(showsNone: true) { word throws(StoreError) in try store.container(word).id }
    })
}

extension Call {
  /// The directories above a layer's mount are made by the store for root alone, so that there is
  /// nobody to name; of containers the peer says so.
  fileprivate func owners(
    showsNone: Bool = false, _ id: (String) throws(StoreError) -> String
  ) throws {
    var failed = false
    for word in words {
      do throws(StoreError) {
        let id = try id(word)
        if json {
          line(.members([("ID", .string(id)), ("UIDs", .null), ("GIDs", .null)]))
        } else {
          output.line("ID: \(id)")
          if showsNone { output.line("UIDs: []\nGIDs: []") }
        }
      } catch {
        failed = true
        if !isPeer { say("\(word): \(error)") }
      }
    }
    if failed { throw Exit(status: ExitStatus.failure) }
  }
}
