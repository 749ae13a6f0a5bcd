import StrataJSON
import StrataModel
import StrataStore

extension Verb {
  static let unmount = Verb(
    names: ["unmount", "umount"], group: .anything, usage: "imageOrLayerOrContainerNameOrID",
    summary: "Unmount an image, layer or container",
    flags: [.switched("--force", "-f", help: "Force the umount"), .json], minimum: 1, maximum: nil,
    needs: .lastingNamespace,
    examples: [("strata umount box", "counts one mount down; the last one unmounts")],
    body: .peer { call in
      let store = try call.session.store()
      let force = call.arguments.isOn("force")
      try call.perWord("unmounted", say: { "\($0) while unmounting \($1)" }) {
        word throws(StoreError) in
        let key = try call.session.key(word, in: store)
        do throws(StoreError) {
          return try store.unmount(key, force: force) ? "\(word) mountpoint unmounted" : nil
        } catch {
          // The word may name an image; its own failure says less than the first one.
          guard (try? store.image(key)) != nil else { throw error }
          let gone = try store.unmountImage(key, force: force)
          return gone && !call.isPeer ? "\(word) mountpoint unmounted" : nil
        }
      }
    })

  static let mounted = Verb(
    names: ["mounted"], group: .anything, usage: "LayerOrContainerNameOrID",
    summary: "Check if a file system is mounted", flags: [.json], minimum: 1, maximum: nil,
    examples: [
      ("strata mounted box", "prints \"box mounted\" if it is"),
      ("strata mounted --json box", "says so as true or false"),
    ],
    body: .peer { call in
      let store = try call.session.store()
      try call.perWord("mounted", say: { "\($0) checking if \($1) is mounted" }) {
        word throws(StoreError) in
        var key = try call.session.key(word, in: store)
        if !call.isPeer, let layer = try? store.image(key).layer { key = layer }
        return try store.mountCount(key) > 0 ? "\(word) mounted" : nil
      }
    })
}

extension Call {
  /// Runs `body` for each word; what it returns is a line of output, and an error goes to standard
  /// error or into the JSON.
  ///
  /// The peer prints the line even before JSON, which has no other place for it (storage-format 8.2);
  /// under our own name the JSON says it as `fact`.
  fileprivate func perWord(
    _ fact: String, say text: (String, String) -> String,
    _ body: (String) throws(StoreError) -> String?
  ) throws {
    var answers: [JSONValue] = []
    var failed = false
    for word in words {
      var message = ""
      var isSo = false
      do throws(StoreError) {
        if let done = try body(word) {
          isSo = true
          if isPeer || !json { output.line(done) }
        }
      } catch {
        failed = true
        message = error.message + (isPeer ? "" : advice(error, verb: verb) ?? "")
      }
      if json {
        let fact = isPeer ? [] : [(fact, JSONValue.bool(isSo))]
        answers.append(.members([("id", .string(word)), ("error", .string(message))] + fact))
      } else if !message.isEmpty {
        say(isPeer ? text(message, word) : "\(word): \(message)")
      }
    }
    if json { line(.array(answers)) }
    if failed { throw Exit(status: ExitStatus.failure) }
  }
}
