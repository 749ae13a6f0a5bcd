import StrataConfig
import StrataModel
import StrataStore
import StrataSystem

extension Verb {
  static let unshare = Verb(
    names: ["unshare"], group: .store, usage: "[command [arguments]]",
    summary: "Run a command in a user namespace", maximum: nil, needs: .nothing,
    endsAtFirstWord: true,
    examples: [
      ("strata unshare", "a shell in which an ordinary user can mount"),
      ("strata unshare strata mount box", "one command there"),
    ],
    body: .peer { call in
      try call.session.enterNamespaceIfNeeded()
      let surroundings = call.session.surroundings
      let words =
        call.words.isEmpty ? [surroundings["SHELL"] ?? "/bin/sh"] : call.words
      let name = RawPath(words[0])
      let program =
        words[0].contains("/") ? name : StorageSettings.search(name, surroundings)
      guard let program else {
        call.say("\(words[0]): not found in PATH")
        throw Exit(status: 127)
      }
      call.output.flush()
      do throws(Errno) {
        try replaceProcess(program, words.map { RawPath($0) })
      } catch {
        throw StoreError(.system(error.rawValue), "exec \(program): \(error)")
      }
    })
}
