import StrataJSON
import StrataStore

extension Verb {
  static let exists = Verb(
    names: ["exists"], group: .anything, usage: "LayerOrImageOrContainerNameOrID [...]",
    summary: "Check if a layer or image or container exists",
    flags: [
      .switched("--quiet", "-q", help: "Don't print names"),
      .switched("--layer", "-l", help: "Only succeed if the match is a layer"),
      .switched("--image", "-i", help: "Only succeed if the match is an image"),
      .switched("--container", "-c", help: "Only succeed if the match is a container"), .json,
    ], minimum: 1, maximum: nil,
    examples: [("strata exists --image busybox && echo yes", "whether there is such an image")],
    body: .peer { call in
      let store = try call.session.store()
      // The options are spelled as the kinds.
      let wanted = RecordKind.allCases.filter { call.arguments.isOn($0.rawValue) }
      var answers: [(String, JSONValue)] = []
      var failed = false
      for word in call.words {
        let key = (try? call.session.key(word, in: store)) ?? word
        let kinds = RecordKind.allCases.filter {
          isThere(key, $0, in: store) || isThere(word, $0, in: store)
        }
        answers.append((word, .bool(!kinds.isEmpty)))
        // What is printed is about any kind; the status alone tells of the kind asked for.
        if kinds.isEmpty || !wanted.allSatisfy({ kinds.contains($0) }) { failed = true }
      }
      if call.json {
        call.line(byWord: answers)
      } else if !call.arguments.isOn("quiet") {
        var said: Set<String> = []
        for (word, answer) in answers where said.insert(word).inserted {
          call.output.line("\(word): \(answer.bool == true)")
        }
      }
      if failed { throw Exit(status: ExitStatus.failure) }
    })
}

private func isThere(_ key: String, _ kind: RecordKind, in store: Store) -> Bool {
  switch kind {
  case .layer: (try? store.layer(key)) != nil
  case .image: (try? store.image(key)) != nil
  case .container: (try? store.container(key)) != nil
  }
}
