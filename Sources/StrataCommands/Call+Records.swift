import StrataConfig
import StrataImage
import StrataJSON
import StrataModel
import StrataStore
import StrataSystem

extension Session {
  /// The id of what a word names.
  ///
  /// The peer's verbs hand the word over as it is. `strata` also knows images by the short names
  /// that people say: `two` for `localhost/two:latest`. Whoever has the word for a name comes before
  /// all whose ids only begin so: `db` and `cafe` are names of containers, and of hex digits alone.
  func key(_ word: String, in store: Store) throws(StoreError) -> String {
    guard persona == .strata else { return word }
    if let found = try store.identify(exactly: word) { return found.id }
    if let image = try imageByShortName(word, in: store) { return image.id }
    // The peer's order where it mounts and deletes.
    if let id = try known({ () throws(StoreError) in try store.container(word).id }) { return id }
    if let id = try known({ () throws(StoreError) in try store.image(word).id }) { return id }
    if let id = try known({ () throws(StoreError) in try store.layer(word).id }) { return id }
    throw StoreError(
      .notAnID,
      "no layer, image or container is called \(word): `strata images`, `strata containers` and "
        + "`strata layers` list what there is")
  }

  /// As `key` for verbs that take images alone.
  func imageKey(_ word: String, in store: Store) throws(StoreError) -> String {
    guard persona == .strata else { return word }
    return try image(word, in: store).id
  }

  /// What names an image: the one of its names that the word stands for, else its id.
  func imageReference(_ word: String, in store: Store) throws(StoreError) -> String {
    let image = try image(word, in: store)
    if image.id == word || image.names.contains(word) { return word }
    guard let reference = try? Reference(normalizing: word) else { return image.id }
    return image.names.first { $0 == reference.description }
      ?? image.names.first { isShort(reference, for: $0) } ?? image.id
  }

  /// The image of a word: whoever has it for an id or a name, then by a short name, then by the
  /// beginning of an id.
  private func image(_ word: String, in store: Store) throws(StoreError) -> ImageRecord {
    let found = try known { () throws(StoreError) in try store.image(word) }
    if let found, found.id == word || found.names.contains(word) { return found }
    if let image = try imageByShortName(word, in: store) ?? found { return image }
    throw StoreError(
      .imageUnknown, "no image is called \(word): `strata images` lists what there is")
  }

  /// As `key` for verbs that take containers alone.
  func containerKey(_ word: String, in store: Store) throws(StoreError) -> String {
    guard persona == .strata else { return word }
    if let id = try known({ () throws(StoreError) in try store.container(word).id }) { return id }
    throw StoreError(
      .notAContainer, "no container is called \(word): `strata containers` lists what there is")
  }

  /// A name for an image in podman's normal form; as given for the peer.
  func imageName(_ name: String) throws -> String {
    persona == .peer ? name : try normalizedReference(name)
  }

  /// What a look-up finds; nil where there is no such thing.
  private func known<Found>(
    _ find: () throws(StoreError) -> Found
  ) throws(StoreError) -> Found? {
    do throws(StoreError) {
      return try find()
    } catch {
      let unknown: Set<StoreError.Code> = [.layerUnknown, .imageUnknown, .containerUnknown]
      guard unknown.contains(error.code) else { throw error }
      return nil
    }
  }

  /// The image whose name is the word in normal form, else the only one whose name ends with it.
  private func imageByShortName(
    _ word: String, in store: Store
  ) throws(StoreError) -> ImageRecord? {
    guard let reference = try? Reference(normalizing: word) else { return nil }
    let images = try store.images()
    if let exact = images.first(where: { $0.names.contains(reference.description) }) {
      return exact
    }
    let found = images.filter { $0.names.contains { isShort(reference, for: $0) } }
    return found.count == 1 ? found[0] : nil
  }

  /// Whether a name ends with what was said without a domain.
  private func isShort(_ reference: Reference, for name: String) -> Bool {
    guard reference.domain == "localhost" else { return false }
    return name.hasSuffix("/" + reference.path + (reference.tag.map { ":" + $0 } ?? ""))
  }
}

extension Array where Element: JSONRecord {
  /// The records as the peer lists them.
  var jsonList: [UInt8] {
    var text = [UInt8(ascii: "[")]
    for record in self {
      if text.count > 1 { text.append(UInt8(ascii: ",")) }
      text += record.encoded()
    }
    text.append(UInt8(ascii: "]"))
    return text
  }
}

extension Call {
  /// One line of JSON as the peer prints it.
  func line(_ json: JSONValue) { output.line(bytes: json.encoded()) }

  /// Answers by the words that they are for, in the order of a map: sorted, and one for each word.
  func line(byWord answers: [(String, JSONValue)]) {
    let last = Dictionary(answers) { _, later in later }
    line(.members(last.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }))
  }

  /// An answer of one value, which as JSON stands alone too.
  func answer(_ value: JSONValue, _ text: String) {
    json ? line(value) : output.line(text)
  }

  /// A list of records on one line.
  func line<Record: JSONRecord>(_ records: [Record]) { output.line(bytes: records.jsonList) }

  /// What a new record is answered with: its id, then its names.
  func created<Record: JSONRecord>(_ record: Record, id: String, names: [String]) {
    if json {
      output.line(bytes: record.encoded())
    } else {
      output.line(id)
      names.forEach { output.line("\t\($0)") }
    }
  }

  /// Runs `body` for each word; errors go to standard error as `text` has them, and all words are
  /// tried before the verb fails.
  func forEachWord(
    _ body: (String) throws(StoreError) -> Void, orSay text: (StoreError, String) -> String
  ) throws {
    var failed = false
    for word in words {
      do throws(StoreError) {
        try body(word)
      } catch {
        failed = true
        let told =
          isPeer
          ? error : StoreError(error.code, error.message + (advice(error, verb: verb) ?? ""))
        say(text(told, word))
      }
    }
    if failed { throw Exit(status: ExitStatus.failure) }
  }

  /// A line about one word on standard error; under our own name it says what was tried.
  func say(_ text: String) {
    output.error(isPeer ? text : "strata: \(verb) \(oneLine(text))")
  }

  /// What `--file` names, or standard input.
  func input() throws -> any ByteSource {
    if let path = arguments.text("file"), !path.isEmpty {
      return try FileSource(opening: RawPath(path))
    }
    return FileSource(try FileDescriptor.standardInput.duplicate(), name: "standard input")
  }

  /// Runs `body` with what `--file` names or standard input; a failure in the bytes, or while they
  /// are written, says which archive it was.
  func withInput<Result>(_ body: (any ByteSource) throws -> Result) throws -> Result {
    let source = try input()
    do {
      return try body(source)
    } catch let error as StoreError where !isPeer && error.isOfContent {
      let name = arguments.text("file").flatMap { $0.isEmpty ? nil : $0 } ?? "standard input"
      throw error.message.contains(name) ? error : error.wrapped(name)
    }
  }

  /// The whole of a file.
  func fileBytes(_ path: String) throws(StoreError) -> [UInt8] {
    do throws(Errno) {
      return try FileDescriptor.workingDirectory.contents(of: RawPath(path), limit: 1 << 30)
    } catch {
      throw StoreError(.system(error.rawValue), "open \(path): \(error)")
    }
  }

  /// All of `--file` or standard input, up to the size of a data item that makes sense.
  func inputBytes() throws -> [UInt8] { try input().readToEnd(limit: 1 << 30) }

  /// Gives bytes to `--file` or standard output; a plain file appears whole or stays as it was.
  ///
  /// What is no plain file is written to as it stands: a device, a pipe, and what a link like
  /// /dev/stdout leads to.
  func withOutput(_ body: (any ByteSink) throws -> Void) throws {
    guard let path = arguments.text("file"), !path.isEmpty else {
      output.flush()
      try body(FileSink(try FileDescriptor.standardOutput.duplicate(), name: "standard output"))
      return
    }
    let name = RawPath(path)
    let here = FileDescriptor.workingDirectory
    let old = try? here.status(of: name)
    let folder = name.parent.isEmpty ? "." : name.parent
    var special: FileSink?
    let directory: SharedDescriptor
    do throws(Errno) {
      if let old, old.type != .regular || old.isMountRoot {
        special = FileSink(
          try here.open(name, [.writeOnly, .create, .truncate], mode: 0o666), name: name)
      } else if old != nil {
        // One that may not be written is not replaced either.
        try here.open(name, .writeOnly).close()
      }
      directory = SharedDescriptor(try here.open(folder, [.readOnly, .directory]))
    } catch {
      throw StoreError(.system(error.rawValue), "open \(path): \(error)")
    }
    if let special { return try body(special) }
    try withExtendedLifetime(directory) {
      let file = try NewFile(in: directory.view, folder, name: name, mode: 0o666)
      if let old { file.resemble(old) }
      try body(file)
      try file.publish(as: name.lastComponent)
    }
  }
}

extension StoreError {
  /// Whether it tells of bytes that were read or written, not of records and locks.
  fileprivate var isOfContent: Bool {
    switch code {
    case .stream, .system, .notSupported: true
    default: false
    }
  }
}

/// Who made a container, as far as its record and its files tell.
enum ContainerOwner: String {
  case podman, buildah
  case crio = "cri-o"

  /// podman and CRI-O keep JSON with the image's name in the metadata, CRI-O a pod's besides;
  /// buildah keeps a file of its own.
  init?(_ container: ContainerRecord, graphRoot: RawPath, driver: String) {
    if let value = try? JSONValue(parsing: Array(container.metadata.utf8)),
      value["image-name"] != nil, value["created-at"] != nil
    {
      self = value["pod-name"] == nil ? .podman : .crio
      return
    }
    let file = graphRoot.appending(RawPath("\(driver)-containers/\(container.id)/userdata"))
      .appending("buildah.json")
    guard (try? FileDescriptor.workingDirectory.exists(file)) == true else { return nil }
    self = .buildah
  }
}

extension Session {
  /// Who made a container, nil for Strata and for tools that leave no trace.
  func owner(of container: ContainerRecord) throws -> ContainerOwner? {
    let settings = try settings()
    return ContainerOwner(container, graphRoot: settings.graphRoot, driver: settings.driver)
  }
}
