import StrataJSON
import StrataStore
import StrataSystem

extension Verb {
  static let imageDirectory = Verb(
    names: ["get-image-dir"], group: .images, usage: "imageNameOrID",
    summary: "Find the image's associated data directory", flags: [.ownJSON],
    minimum: 1, maximum: 1,
    examples: [("strata get-image-dir busybox", "for files that go with the image")],
    body: .peer { call in
      let store = try call.session.store()
      let key = try call.session.imageKey(call.words[0], in: store)
      call.answerPath(try store.imageDirectory(key))
    })

  static let imageRunDirectory = Verb(
    names: ["get-image-run-dir"], group: .images, usage: "imageNameOrID",
    summary: "Find the image's associated runtime directory", flags: [.ownJSON],
    minimum: 1, maximum: 1,
    examples: [("strata get-image-run-dir busybox", "for files until the next boot")],
    body: .peer { call in
      let store = try call.session.store()
      let key = try call.session.imageKey(call.words[0], in: store)
      call.answerPath(try store.imageRunDirectory(key))
    })

  static let containerDirectory = Verb(
    names: ["get-container-dir"], group: .containers, usage: "containerNameOrID",
    summary: "Find the container's associated data directory", flags: [.ownJSON],
    minimum: 1, maximum: 1,
    examples: [("strata get-container-dir box", "for files that go with the container")],
    body: .peer { call in
      call.answerPath(try call.session.store().containerDirectory(call.words[0]))
    })

  static let containerRunDirectory = Verb(
    names: ["get-container-run-dir"], group: .containers, usage: "containerNameOrID",
    summary: "Find the container's associated runtime directory", flags: [.ownJSON],
    minimum: 1, maximum: 1,
    examples: [("strata get-container-run-dir box", "for files until the next boot")],
    body: .peer { call in
      call.answerPath(try call.session.store().containerRunDirectory(call.words[0]))
    })
}

extension Call {
  fileprivate func answerPath(_ path: RawPath) {
    answer(.string(path.description), path.description)
  }
}
