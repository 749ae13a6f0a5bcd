/// Files of one kind laid over one another, key by key: what each key is in the end, and which file says so.
struct LayeredSettings: Sendable {
  /// A value with the place that it came from, as `FILE:LINE`.
  struct Laid: Sendable {
    var value: SettingValue
    var origin: String
  }

  private let schema: SettingsSchema
  private var values: [[String]: Laid] = [:]
  /// Lists that a file has asked to lay behind those of earlier ones: that stays so for later files
  /// until one says `{append=false}`, as in the peer's newer versions.
  private var appended: Set<[String]> = []

  init(_ schema: SettingsSchema) {
    self.schema = schema
  }

  /// Lays a file over what is there: the keys for which `isTaken` is true.
  mutating func lay(_ document: SettingsDocument, where isTaken: ([String]) -> Bool = { _ in true })
  {
    for key in schema.keys where isTaken(key.path) {
      guard let value = document.content[key.path] else { continue }
      switch (key.kind, value) {
      case (.texts, .array(let items)): lay(items, at: key.path, of: document)
      case (.textTable, .table(let members)):
        for (name, member) in members {
          let path = key.path + [name]
          values[path] = Laid(value: member, origin: document.origin(of: path))
        }
      default: values[key.path] = Laid(value: value, origin: document.origin(of: key.path))
      }
    }
  }

  private mutating func lay(
    _ items: [SettingValue], at path: [String], of document: SettingsDocument
  ) {
    var texts: [SettingValue] = []
    for item in items {
      switch item {
      case .table(let members):
        guard case .bool(let appends) = members["append"] else { continue }
        if appends { appended.insert(path) } else { appended.remove(path) }
      default: texts.append(item)
      }
    }
    let origin = document.origin(of: path)
    guard appended.contains(path), let before = values[path], case .array(let list) = before.value
    else {
      values[path] = Laid(value: .array(texts), origin: origin)
      return
    }
    let origins = before.origin == origin ? origin : "\(before.origin), \(origin)"
    values[path] = Laid(value: .array(list + texts), origin: origins)
  }

  /// A key's value, nil if no file has it.
  subscript(path: [String]) -> Laid? { values[path] }

  /// A text that is not empty.
  func text(_ path: [String]) -> (text: String, origin: String)? {
    guard let laid = values[path], case .string(let text) = laid.value, !text.isEmpty else {
      return nil
    }
    return (text, laid.origin)
  }

  /// A list that is not empty.
  func texts(_ path: [String]) -> (texts: [String], origin: String)? {
    guard let laid = values[path], case .array(let items) = laid.value, !items.isEmpty else {
      return nil
    }
    let texts = items.compactMap { if case .string(let text) = $0 { text } else { nil } }
    return (texts, laid.origin)
  }

  /// The members of a table, by name.
  func table(_ path: [String]) -> [(name: String, text: String, origin: String)] {
    values.compactMap { entry -> (name: String, text: String, origin: String)? in
      guard entry.key.count == path.count + 1, entry.key.starts(with: path),
        let name = entry.key.last, case .string(let text) = entry.value.value
      else { return nil }
      return (name, text, entry.value.origin)
    }.sorted { $0.name < $1.name }
  }
}
