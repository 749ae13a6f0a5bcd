import ArgumentParser
import StrataConfig
import StrataJSON
import StrataModel
import StrataStore
import StrataSystem

extension Verb {
  static let inspect = Verb(
    names: ["inspect"], group: .anything, usage: "NAME...",
    summary: "Show everything about layers, images or containers", isOfPeer: false,
    body: .command(InspectCommand.self))
}

/// `strata inspect`: records with what belongs to them.
struct InspectCommand: StrataCommand {
  static let configuration = CommandConfiguration(
    commandName: "strata inspect",
    abstract: "Show everything about layers, images or containers.",
    discussion: """
      Prints a JSON list with the record as the store has it, its kind, the layers below it, and for \
      an image its config. With --json: the records alone, on one line.

      Examples:
        strata inspect busybox
        strata inspect box | jq '.[0].layers'
      """)

  @Argument(help: "Names or ids.")
  var words: [String]
  @Flag(name: [.long, .customShort("j")], help: "Records alone, in containers-storage's shapes.")
  var json = false
  @OptionGroup(title: "Store options") var store: StoreOptionGroup

  func run(_ session: Session) throws {
    let store = try session.store()
    var found: [JSONValue] = []
    var failed = false
    for word in words {
      do {
        let (kind, id) = try store.identify(try session.key(word, in: store))
        found.append(try describe(kind, id, in: store, session))
      } catch {
        failed = true
        session.output.error("strata: inspect: \(word): \(failureText(error))")
      }
    }
    let list = JSONValue.array(found)
    session.output.line(bytes: list.encoded(indent: json ? nil : "  ", escapesHTML: json))
    if failed { throw Exit(status: ExitStatus.failure) }
  }

  private func describe(
    _ kind: RecordKind, _ id: String, in store: Store, _ session: Session
  ) throws -> JSONValue {
    var members: [(String, JSONValue)] = [("kind", .string(kind.rawValue))]
    let record: JSONValue
    let top: String?
    switch kind {
    case .layer:
      let layer = try store.layer(id)
      record = try JSONValue(parsing: layer.encoded())
      top = layer.parent
      let count = try store.mountCount(id)
      if count > 0 { members.append(("mounts", .integer(count))) }
      if let path = try store.additionalLayerPath(id) {
        members.append(("additional-layer", .string(path.description)))
      }
    case .image:
      let image = try store.image(id)
      record = try JSONValue(parsing: image.encoded())
      top = image.layer
      if let size = try? store.imageSize(id) { members.append(("size", .integer(size))) }
      if let config = try? store.imageData(id, "sha256:\(id)"),
        let value = try? JSONValue(parsing: config)
      {
        members.append(("config", value))
      }
    case .container:
      let container = try store.container(id)
      record = try JSONValue(parsing: container.encoded())
      top = container.layer
      if let owner = try session.owner(of: container) {
        members.append(("made-by", .string(owner.rawValue)))
      }
      members.append(("mounts", .integer(try store.mountCount(id))))
    }
    if json { return record }
    let below = LayerChains(try store.layers()).chain(of: top).map(\.id)
    if !below.isEmpty { members.append(("layers", .strings(below))) }
    return .members((record.members ?? []).map { ($0.name, $0.value) } + members)
  }
}
