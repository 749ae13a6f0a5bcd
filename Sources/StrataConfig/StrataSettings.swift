package import StrataSystem

/// What only Strata knows: strata.conf, its variables and options (docs/adr/0030).
///
/// None of it is in storage.conf, since every command of podman would warn of the key.
package struct StrataSettings: Sendable {
  /// The seconds that a lock is waited for; nil: as long as it takes.
  ///
  /// Long enough for what holds a lock on the way, short enough for whoever looks at a terminal.
  package private(set) var lockTimeout: Int? = 60
  /// The seconds that an additional layer store may take for an answer.
  package private(set) var additionalLayerTimeout = 5
  /// Whether content is brought to the disk before a layer is called complete.
  package private(set) var synchronizes = true
  /// How exported layers are compressed, as `--compression` says it; empty for as they came.
  package private(set) var exportCompression = ""
  /// How layers that must be compressed are pushed, as `--compression-format` says it; empty for gzip.
  package private(set) var pushCompression = ""

  /// Where each value that is no default came from, by its name in the file.
  package private(set) var origins: [String: String] = [:]
  /// The files that were read, in order.
  package private(set) var files: [RawPath] = []
  /// What in them is passed over.
  package private(set) var warnings: [StorageSettings.Warning] = []

  package init() {}

  /// A setting: its name in the file, which with `--` before it is the option of the command line, and the
  /// variable of the environment.
  package enum Key: String, CaseIterable, Sendable {
    case lockTimeout = "lock-timeout"
    case additionalLayerTimeout = "als-timeout"
    case sync
    case exportCompression = "export-compression"
    case pushCompression = "push-compression"

    package var variable: String {
      "STRATA_" + String(rawValue.uppercased().map { $0 == "-" ? "_" : $0 })
    }

    /// What a value that cannot be is answered with.
    var wanted: String {
      switch self {
      case .lockTimeout: "it is a number of seconds, or none to wait for ever"
      case .additionalLayerTimeout: "it is a number of seconds from 1 to 86400"
      case .sync: "it is filesystem or none"
      case .exportCompression: "it is \(Self.exportForms.joined(separator: ", "))"
      case .pushCompression: "it is gzip or zstd"
      }
    }

    static let exportForms = ["gzip", "zstd", "none", "estargz", "zstd:chunked"]
  }

  /// Reads the system's file, the user's, and the environment, each standing before the one before it.
  package static func load(surroundings: Surroundings) throws(ConfigurationError) -> StrataSettings
  {
    var settings = StrataSettings()
    let folders = [surroundings.system("/etc"), surroundings.configurationFolder]
    for folder in folders {
      guard let path = folder?.appending("containers/strata.conf"),
        let document = try SettingsDocument(reading: path)
      else { continue }
      try settings.take(document)
    }
    for key in Key.allCases {
      guard let text = surroundings[key.variable] else { continue }
      guard settings.set(key, text, from: key.variable) else {
        throw ConfigurationError("\(key.variable)=\(text): \(key.wanted)")
      }
    }
    return settings
  }

  /// Takes over an option of the command line.
  package mutating func setOption(_ key: Key, _ text: String) throws(ConfigurationError) {
    let option = "--\(key.rawValue)"
    guard set(key, text, from: option) else {
      throw ConfigurationError("\(option) \(text): \(key.wanted)")
    }
  }

  private static let schema = SettingsSchema(Key.allCases.map { SettingKey([$0.rawValue], .word) })

  private mutating func take(_ document: SettingsDocument) throws(ConfigurationError) {
    try Self.schema.check(document)
    files.append(document.path)
    let unknown = Self.schema.unknownKeys(document)
    if !unknown.isEmpty {
      warnings.append(.unknownKeys(file: document.path.description, keys: unknown))
    }
    for key in Key.allCases {
      let text: String
      switch document.content[[key.rawValue]] {
      case .string(let value): text = value
      case .integer(let value): text = "\(value)"
      default: continue
      }
      let origin = document.origin(of: [key.rawValue])
      guard set(key, text, from: origin) else {
        throw ConfigurationError(
          "\(origin): \(key.rawValue) is \(text), but \(key.wanted): "
            + "correct this file")
      }
    }
  }

  /// Whether the text is a value of this setting, which is then in force.
  private mutating func set(_ key: Key, _ text: String, from origin: String) -> Bool {
    switch key {
    case .lockTimeout:
      if text == "none" {
        lockTimeout = nil
      } else {
        guard let seconds = Int(text), (0...1_000_000_000).contains(seconds) else { return false }
        lockTimeout = seconds
      }
    case .additionalLayerTimeout:
      guard let seconds = Int(text), (1...86_400).contains(seconds) else { return false }
      additionalLayerTimeout = seconds
    case .sync:
      guard ["filesystem", "none"].contains(text) else { return false }
      synchronizes = text == "filesystem"
    case .exportCompression:
      guard Key.exportForms.contains(text) else { return false }
      exportCompression = text
    case .pushCompression:
      guard ["gzip", "zstd"].contains(text) else { return false }
      pushCompression = text
    }
    origins[key.rawValue] = origin
    return true
  }

  /// Whether a file, a variable or an option says it.
  package func isGiven(_ key: Key) -> Bool { origins[key.rawValue] != nil }

  /// Everything that counts, in the order of the keys.
  package var inForce: [SettingInForce] {
    Key.allCases.map { key in
      let value =
        switch key {
        case .lockTimeout: lockTimeout.map { "\($0)" } ?? "none"
        case .additionalLayerTimeout: "\(additionalLayerTimeout)"
        case .sync: synchronizes ? "filesystem" : "none"
        case .exportCompression: exportCompression
        case .pushCompression: pushCompression
        }
      return SettingInForce(key.rawValue, value, from: origins[key.rawValue])
    }
  }
}
