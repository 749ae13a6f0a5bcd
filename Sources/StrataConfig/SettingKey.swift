/// A key that a configuration file may hold, and what its value has to be.
struct SettingKey: Sendable {
  /// What is written behind the key.
  enum Kind: Sendable {
    case text
    case flag
    case number
    /// A list of texts; `{append=true}` among them lays it behind the list of earlier files.
    case texts
    /// A table of texts, whose members files give one by one.
    case textTable
    /// A number in octal, with or without quotation marks.
    case mask
    /// A text or a number.
    case word
  }

  let path: [String]
  let kind: Kind

  init(_ path: [String], _ kind: Kind) {
    self.path = path
    self.kind = kind
  }

  /// What a value of another kind is answered with.
  var wanted: String {
    switch kind {
    case .text: "a string in quotation marks"
    case .flag: "true or false"
    case .number: "a number"
    case .texts: "a list of strings"
    case .textTable: "a table of strings"
    case .mask: "an octal number"
    case .word: "a number or a string in quotation marks"
    }
  }

  /// Whether the value is of the key's kind.
  func accepts(_ value: SettingValue) -> Bool {
    switch (kind, value) {
    case (.text, .string), (.flag, .bool), (.number, .integer): true
    case (.mask, .string), (.mask, .integer), (.word, .string), (.word, .integer): true
    case (.texts, .array(let items)):
      items.allSatisfy { item in
        switch item {
        case .string: true
        case .table(let members):
          members.allSatisfy { name, value in
            if name == "append", case .bool = value { true } else { false }
          }
        default: false
        }
      }
    case (.textTable, .table(let members)):
      members.values.allSatisfy { if case .string = $0 { true } else { false } }
    default: false
    }
  }
}

/// All keys of one kind of file.
struct SettingsSchema: Sendable {
  let keys: [SettingKey]
  /// Tables that are accepted unread.
  let passedOver: Set<[String]>
  private let known: Set<[String]>

  init(_ keys: [SettingKey], passedOver: Set<[String]> = []) {
    self.keys = keys
    self.passedOver = passedOver
    known = Set(keys.map(\.path))
  }

  /// Throws for a value that is not of its key's kind, with the file and the line.
  func check(_ document: SettingsDocument) throws(ConfigurationError) {
    for key in keys {
      guard let value = document.content[key.path], !key.accepts(value) else { continue }
      throw ConfigurationError(
        "\(document.origin(of: key.path)): \(key.path.joined(separator: ".")) must be \(key.wanted): "
          + "correct this file")
    }
  }

  /// What the file holds beside these keys, a table before its members.
  func unknownKeys(_ document: SettingsDocument) -> [StorageSettings.UnknownKey] {
    var result: [StorageSettings.UnknownKey] = []
    func visit(_ value: SettingValue, _ path: [String]) {
      if known.contains(path) || passedOver.contains(path) { return }
      if !path.isEmpty, !known.contains(where: { $0.starts(with: path) }) {
        result.append(.init(name: path.joined(separator: "."), line: document.line(of: path)))
      }
      guard case .table(let members) = value else { return }
      for (key, member) in members.sorted(by: { $0.key < $1.key }) { visit(member, path + [key]) }
    }
    visit(document.content, [])
    return result
  }
}
