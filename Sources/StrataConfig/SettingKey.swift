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
    case .number: "a number from 0 to \(UInt32.max)"
    case .texts: "a list of strings"
    case .textTable: "a table of strings"
    case .mask: "an octal number of at most 32 bits"
    case .word: "a number or a string in quotation marks"
    }
  }

  /// Whether the value is of the key's kind.
  func accepts(_ value: SettingValue) -> Bool {
    switch (kind, value) {
    case (.text, .string), (.flag, .bool): true
    case (.number, .integer(let number)), (.mask, .integer(let number)):
      UInt32(exactly: number) != nil
    case (.mask, .string), (.word, .string), (.word, .integer): true
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
  /// What the keys are in, the outer before the inner.
  private let tables: [[String]]

  init(_ keys: [SettingKey], passedOver: Set<[String]> = []) {
    self.keys = keys
    self.passedOver = passedOver
    known = Set(keys.map(\.path))
    var tables: Set<[String]> = []
    for key in keys { for count in 1..<key.path.count { tables.insert(Array(key.path[..<count])) } }
    self.tables = tables.sorted { $0.count < $1.count }
  }

  /// Throws for a value that is not of its key's kind, with the file and the line.
  ///
  /// Passed over, it would leave the defaults in force: another store than the one that was meant.
  func check(_ document: SettingsDocument) throws(ConfigurationError) {
    func refuse(_ path: [String], _ wanted: String) -> ConfigurationError {
      ConfigurationError(
        "\(document.origin(of: path)): \(path.joined(separator: ".")) must be \(wanted): "
          + "correct this file")
    }
    for path in tables {
      guard let value = document.content[path] else { continue }
      guard case .table = value else {
        throw refuse(path, "one table, [\(path.joined(separator: "."))]")
      }
    }
    for key in keys {
      guard let value = document.content[key.path], !key.accepts(value) else { continue }
      throw refuse(key.path, key.wanted)
    }
  }

  /// What the file holds beside these keys, a table before its members.
  func unknownKeys(_ document: SettingsDocument) -> [StorageSettings.UnknownKey] {
    var result: [StorageSettings.UnknownKey] = []
    func visit(_ value: SettingValue, _ path: [String]) {
      let spelled = path.map { $0.lowercased() }
      if known.contains(spelled) || passedOver.contains(spelled) { return }
      if !path.isEmpty, !known.contains(where: { $0.starts(with: spelled) }) {
        result.append(.init(name: path.joined(separator: "."), line: document.line(of: path)))
      }
      guard case .table(let members) = value else { return }
      for (key, member) in members.sorted(by: { $0.key < $1.key }) { visit(member, path + [key]) }
    }
    visit(document.content, [])
    return result
  }
}
