import StrataStore

extension Verb {
  static let containerDirectory = Verb(
    names: ["get-container-dir"], group: .containers, usage: "containerNameOrID",
    summary: "Find the container's associated data directory", minimum: 1, maximum: 1,
    body: .peer { call in
      call.output.line("\(try call.session.store().containerDirectory(call.words[0]))")
    })

  static let containerRunDirectory = Verb(
    names: ["get-container-run-dir"], group: .containers, usage: "containerNameOrID",
    summary: "Find the container's associated runtime directory", minimum: 1, maximum: 1,
    body: .peer { call in
      call.output.line("\(try call.session.store().containerRunDirectory(call.words[0]))")
    })
}
