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
      try call.perWord(say: { "\($0) while unmounting \($1)" }) { word throws(StoreError) in
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
    body: .peer { call in
      let store = try call.session.store()
      try call.perWord(say: { "\($0) checking if \($1) is mounted" }) {
        word throws(StoreError) in
        var key = try call.session.key(word, in: store)
        if !call.isPeer, let layer = try? store.image(key).layer { key = layer }
        return try store.mountCount(key) > 0 ? "\(word) mounted" : nil
      }
    })
}

extension Call {
  /// Runs `body` for each word; what it returns is a line of output even before JSON, as the peer
  /// has it (storage-format 8.2), and an error goes to standard error or into the JSON.
  fileprivate func perWord(
    say text: (String, String) -> String, _ body: (String) throws(StoreError) -> String?
  ) throws {
    var answers: [JSONValue] = []
    var failed = false
    for word in words {
      var message = ""
      do throws(StoreError) {
        if let done = try body(word) { output.line(done) }
      } catch {
        failed = true
        message = error.message
      }
      if json {
        answers.append(.members([("id", .string(word)), ("error", .string(message))]))
      } else if !message.isEmpty {
        say(isPeer ? text(message, word) : "\(word): \(message)")
      }
    }
    if json { line(.array(answers)) }
    if failed { throw Exit(status: ExitStatus.failure) }
  }
}
