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

  /// A record of the kind, for examples.
  private static func word(_ kind: RecordKind) -> String {
    switch kind {
    case .layer: "LAYER"
    case .image: "busybox"
    case .container: "box"
    }
  }

  /// A record and one of its items, for examples.
  private static func sample(_ kind: RecordKind) -> String {
    kind == .image ? "busybox manifest" : "\(word(kind)) note"
  }

  /// The peer refuses an empty name where it looks for an item of a container.
  private static func refuseEmptyName(_ call: Call, _ kind: RecordKind, _ what: String)
    throws(StoreError)
  {
    guard kind == .container, call.words[1].isEmpty else { return }
    throw StoreError(.invalidBigDataName).wrapped("can't retrieve \(what)")
  }

  private static func list(_ kind: RecordKind) -> Verb {
    Verb(
      names: ["list-\(kind.rawValue)-data"], group: group(kind), usage: "\(kind.rawValue)NameOrID",
      summary: "List data items that are attached to \(article(kind))", flags: [.json],
      minimum: 1, maximum: 1,
      examples: [("strata list-\(kind.rawValue)-data \(word(kind))", "the names of all")],
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
      examples: [
        ("strata get-\(kind.rawValue)-data \(sample(kind))", "its bytes on standard output"),
        ("strata get-\(kind.rawValue)-data -f out \(sample(kind))", "in a file"),
      ],
      body: .peer { call in
        let store = try call.session.store()
        let key = try call.key(kind)
        let name = call.words[1]
        try refuseEmptyName(call, kind, "container big data value for empty name")
        let bytes: [UInt8]
        do throws(StoreError) {
          bytes =
            switch kind {
            case .layer: try store.layerData(key, name)
            case .image: try store.imageData(key, name)
            case .container: try store.containerData(key, name)
            }
        } catch {
          // The peer takes a name that nobody gave for damage, and says to remove the image.
          guard !call.isPeer, try !items(key, kind, store).names.contains(name) else { throw error }
          throw StoreError(
            .fileMissing,
            "\(kind.rawValue) \(call.words[0]) has no data item \(quoted(name)): "
              + "`strata list-\(kind.rawValue)-data \(call.words[0])` lists what it has")
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
      examples: [
        ("strata set-\(kind.rawValue)-data -f in \(word(kind)) note", "the content of a file"),
        ("date | strata set-\(kind.rawValue)-data \(word(kind)) note", "what a program prints"),
      ],
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
      summary: "Get size of data that is attached to \(article(kind))", flags: [.ownJSON],
      minimum: 2, maximum: 2,
      examples: [("strata get-\(kind.rawValue)-data-size \(sample(kind))", "its bytes")],
      body: .peer { call in
        let items = try items(try call.key(kind), kind, call.session.store())
        try refuseEmptyName(call, kind, "size of container big data with empty name")
        guard let size = items.sizes[call.words[1]] else { throw StoreError(.sizeUnknown) }
        call.answer(.integer(size), String(size))
      })
  }

  private static func digest(_ kind: RecordKind) -> Verb {
    Verb(
      names: ["get-\(kind.rawValue)-data-digest"], group: group(kind),
      usage: "\(kind.rawValue)NameOrID dataName",
      summary: "Get digest of data that is attached to \(article(kind))", flags: [.ownJSON],
      minimum: 2, maximum: 2,
      examples: [("strata get-\(kind.rawValue)-data-digest \(sample(kind))", "sha256:…")],
      body: .peer { call in
        let items = try items(try call.key(kind), kind, call.session.store())
        try refuseEmptyName(call, kind, "digest of container big data value with empty name")
        guard let digest = items.digests[call.words[1]] else { throw StoreError(.digestUnknown) }
        call.answer(.string(digest.description), digest.description)
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
