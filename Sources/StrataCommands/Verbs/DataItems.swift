import StrataJSON
import StrataModel
import StrataStore
import StrataSystem

/// The verbs about data items, which differ in the kind of record alone.
enum DataVerbs {
  static let all: [Verb] = RecordKind.allCases.flatMap { kind in
    [list(kind), get(kind), set(kind)]
      + (kind == .layer ? [] : [size(kind), digest(kind)])
  }

  private static func article(_ kind: RecordKind) -> String {
    kind == .layer ? "a layer" : "an \(kind.rawValue)"
  }

  private static func group(_ kind: RecordKind) -> Verb.Group {
    switch kind {
    case .layer: .layers
    case .image: .images
    case .container: .containers
    }
  }

  private static func list(_ kind: RecordKind) -> Verb {
    Verb(
      names: ["list-\(kind.rawValue)-data"], group: group(kind), usage: "\(kind.rawValue)NameOrID",
      summary: "List data items that are attached to \(article(kind))", flags: [.json],
      minimum: 1, maximum: 1,
      body: .peer { call in
        let names = try items(try call.key(kind), kind, call.session.store()).names
        if call.json { return call.line(names.isEmpty ? .null : .strings(names)) }
        names.forEach { call.output.line($0) }
      })
  }

  private static func get(_ kind: RecordKind) -> Verb {
    Verb(
      names: ["get-\(kind.rawValue)-data"], group: group(kind),
      usage: "\(kind.rawValue)NameOrID dataName",
      summary: "Get data that is attached to \(article(kind))",
      flags: [.text("--file", "-f", help: "Write data to file")], minimum: 2, maximum: 2,
      body: .peer { call in
        let store = try call.session.store()
        let key = try call.key(kind)
        let name = call.words[1]
        let bytes =
          switch kind {
          case .layer: try store.layerData(key, name)
          case .image: try store.imageData(key, name)
          case .container: try store.containerData(key, name)
          }
        try call.withOutput { sink in try sink.write(bytes) }
      })
  }

  private static func set(_ kind: RecordKind) -> Verb {
    let summary = "Set data that is attached to \(article(kind))"
    return Verb(
      names: ["set-\(kind.rawValue)-data"], group: group(kind),
      usage: "\(kind.rawValue)NameOrID dataName",
      // The peer's warning is of its own digests.
      summary: kind == .image ? summary + " (with sometimes wrong digest)" : summary,
      ownSummary: summary,
      flags: [.text("--file", "-f", help: "Read data from file")], minimum: 2, maximum: 2,
      body: .peer { call in
        let store = try call.session.store()
        let key = try call.key(kind)
        let item = BigDataItem(call.words[1], try call.inputBytes())
        switch kind {
        case .layer: try store.setLayerData(key, item)
        case .image: try store.setImageData(key, item)
        case .container: try store.setContainerData(key, item)
        }
      })
  }

  private static func size(_ kind: RecordKind) -> Verb {
    Verb(
      names: ["get-\(kind.rawValue)-data-size"], group: group(kind),
      usage: "\(kind.rawValue)NameOrID dataName",
      summary: "Get size of data that is attached to \(article(kind))", minimum: 2, maximum: 2,
      body: .peer { call in
        let items = try items(try call.key(kind), kind, call.session.store())
        guard let size = items.sizes[call.words[1]] else { throw StoreError(.sizeUnknown) }
        call.output.line(String(size))
      })
  }

  private static func digest(_ kind: RecordKind) -> Verb {
    Verb(
      names: ["get-\(kind.rawValue)-data-digest"], group: group(kind),
      usage: "\(kind.rawValue)NameOrID dataName",
      summary: "Get digest of data that is attached to \(article(kind))", minimum: 2, maximum: 2,
      body: .peer { call in
        let items = try items(try call.key(kind), kind, call.session.store())
        guard let digest = items.digests[call.words[1]] else { throw StoreError(.digestUnknown) }
        call.output.line(digest.description)
      })
  }

  /// What a record says of its data items.
  private struct Items {
    var names: [String]
    var sizes: [String: Int64] = [:]
    var digests: [String: Digest] = [:]
  }

  private static func items(
    _ key: String, _ kind: RecordKind, _ store: Store
  ) throws(StoreError) -> Items {
    switch kind {
    case .layer: return Items(names: try store.layer(key).bigDataNames)
    case .image:
      let image = try store.image(key)
      return Items(
        names: image.bigDataNames, sizes: image.bigDataSizes, digests: image.bigDataDigests)
    case .container:
      let container = try store.container(key)
      return Items(
        names: container.bigDataNames, sizes: container.bigDataSizes,
        digests: container.bigDataDigests)
    }
  }
}

extension Call {
  /// The key of the first word for a verb about one kind of record.
  fileprivate func key(_ kind: RecordKind) throws -> String {
    kind == .image ? try session.imageKey(words[0], in: try session.store()) : words[0]
  }
}
