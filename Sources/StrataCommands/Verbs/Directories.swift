import StrataStore

extension Verb {
  static let imageDirectory = Verb(
    names: ["get-image-dir"], group: .images, usage: "imageNameOrID",
    summary: "Find the image's associated data directory", minimum: 1, maximum: 1,
    body: .peer { call in
      let store = try call.session.store()
      let key = try call.session.imageKey(call.words[0], in: store)
      call.output.line("\(try store.imageDirectory(key))")
    })

  static let imageRunDirectory = Verb(
    names: ["get-image-run-dir"], group: .images, usage: "imageNameOrID",
    summary: "Find the image's associated runtime directory", minimum: 1, maximum: 1,
    body: .peer { call in
      let store = try call.session.store()
      let key = try call.session.imageKey(call.words[0], in: store)
      call.output.line("\(try store.imageRunDirectory(key))")
    })

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
