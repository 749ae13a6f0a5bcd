import StrataModel
import StrataStore
import StrataSystem

extension Verb {
  static let copy = Verb(
    names: ["copy"], ownNames: ["cp"], group: .anything,
    usage: "[sourceLayerNameOrID:]/path [...] targetLayerNameOrID:/path",
    summary: "Copy files or directories into a layer, possibly from another layer",
    flags: [.text("--chown", "-o", help: "Set owner on new copies"), .json], minimum: 2,
    maximum: nil,
    examples: [
      ("strata copy notes.txt box:/srv/notes.txt", "a file into a container"),
      ("strata copy box:/srv ./srv", "a folder out of it"),
    ],
    body: .peer { call in
      let owner = try call.arguments.text("chown").flatMap { $0.isEmpty ? nil : try chown($0) }
      let store = try call.session.store()
      let target = try call.place(call.words[call.words.count - 1])
      for word in call.words.dropLast() {
        do throws(StoreError) {
          try store.copy(try call.place(word), to: target, owner: owner)
        } catch {
          throw error.wrapped("error copying \(quoted(word))")
        }
      }
    })

  static let applyDiffFromDirectory = Verb(
    names: ["applydiff-using-staging-dir"], group: .layers, usage: "layerNameOrID directory",
    summary: "Apply a diff to a layer using a staging directory", minimum: 2, maximum: 2,
    examples: [
      (
        "strata applydiff-using-staging-dir LAYER ./tree",
        "what a folder holds, with owners and modes"
      )
    ],
    body: .peer { call in
      let store = try call.session.store()
      try store.applyDirectory(RawPath(call.words[1]), to: try call.layerKey(call.words[0]))
    })
}

extension Call {
  /// What `layer:/path` or a path of the machine means.
  fileprivate func place(_ word: String) throws(StoreError) -> CopyPlace {
    guard let colon = word.firstIndex(of: ":") else {
      return CopyPlace(layer: nil, path: RawPath(word))
    }
    let name = String(word[..<colon])
    let path = RawPath(String(word[word.index(after: colon)...]))
    do {
      let store = try session.store()
      return CopyPlace(layer: try store.layer(try layerKey(name)).id, path: path)
    } catch {
      throw StoreError(.layerUnknown, "error finding layer \(quoted(name)): \(failureText(error))")
    }
  }
}

/// `UID` or `UID:GID`.
private func chown(_ text: String) throws(StoreError) -> (uid: UInt32, gid: UInt32) {
  let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
  guard let uid = UInt32(parts[0]) else {
    throw StoreError(.usage, "bad UID: \(quoted(String(parts[0])))")
  }
  guard parts.count > 1 else { return (uid, uid) }
  guard let gid = UInt32(parts[1]) else {
    throw StoreError(.usage, "bad GID: \(quoted(String(parts[1])))")
  }
  return (uid, gid)
}
