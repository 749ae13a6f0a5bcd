import StrataJSON
import StrataModel
import StrataStore
import StrataSystem

extension Verb {
  static let mount = Verb(
    names: ["mount"], group: .anything, usage: "LayerOrContainerNameOrID",
    summary: "Mount a layer or container",
    flags: [
      .list("--opt", "-o", help: "Mount Options"), .text("--label", "-l", help: "Mount Label"),
      .switched("--read-only", "--ro", "-r", help: "Mount image readonly"), .json,
    ], minimum: 1, maximum: nil, needs: .lastingNamespace,
    examples: [
      ("strata mount box", "the files of the container box; prints the folder"),
      ("strata mount --ro busybox", "the files of an image"),
    ],
    body: .peer { call in
      let store = try call.session.store()
      var answers: [JSONValue] = []
      var failed = false
      for word in call.words {
        var (path, message) = ("", "")
        do {
          path = try call.mount(word, in: store).description
        } catch {
          failed = true
          message = failureText(error)
        }
        if call.json {
          answers.append(
            .members([
              ("id", .string(word)), ("mountpoint", .string(path)), ("error", .string(message)),
            ]))
          continue
        }
        if call.isPeer || !path.isEmpty { call.output.line(path) }
        if !message.isEmpty {
          call.say(call.isPeer ? "\(message) while mounting \(word)" : "\(word): \(message)")
        }
      }
      if call.json { call.line(.array(answers)) }
      if failed { throw Exit(status: ExitStatus.failure) }
    })
}

extension Call {
  /// Mounts what a word names: an image read-only, anything else to be written.
  fileprivate func mount(_ word: String, in store: Store) throws -> RawPath {
    let options = arguments.values["opt"].map { texts in
      texts.flatMap { $0.split(separator: ",").map { String($0) } }
    }
    let label = arguments.text("label") ?? ""
    if isPeer {
      return arguments.isOn("read-only")
        ? try store.mountImage(word, options: options, label: label)
        : try store.mount(word, options: options, label: label)
    }
    let key = try session.key(word, in: store)
    if try store.identify(key).kind == .image {
      return try store.mountImage(key, options: options, label: label)
    }
    return try store.mount(key, options: options, label: label)
  }
}
