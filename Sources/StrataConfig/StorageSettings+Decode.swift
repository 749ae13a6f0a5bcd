import StrataSystem

extension StorageSettings {
  /// Takes over what a file says.
  ///
  /// `driver`, if not nil, is `STORAGE_DRIVER`, which stands before the file's own.
  mutating func take(
    _ document: SettingsDocument, driver override: String?, surroundings: Surroundings
  ) throws(ConfigurationError) {
    var reader = SettingsReader(document)
    let file = document.path.description
    files.append(document.path)
    func expand(_ text: String) -> RawPath {
      resolved(RawPath(expanded(text, surroundings)))
    }
    if let name = try reader.string(["storage", "driver"]), !name.isEmpty {
      driver = name
      origins["driver"] = file
    }
    driverPriority = try reader.strings(["storage", "driver_priority"])
    if let path = try reader.string(["storage", "graphroot"]), !path.isEmpty {
      graphRoot = expand(path)
      origins["graphroot"] = file
    }
    if let path = try reader.string(["storage", "runroot"]), !path.isEmpty {
      runRoot = expand(path)
      origins["runroot"] = file
    }
    if let path = try reader.string(["storage", "rootless_storage_path"]), !path.isEmpty {
      rootlessStoragePath = path
      origins["rootless_storage_path"] = file
    }
    if let path = try reader.string(["storage", "imagestore"]), !path.isEmpty {
      imageStore = expand(path)
      origins["imagestore"] = file
    }
    isTransient = try reader.bool(["storage", "transient_store"]) ?? false
    disablesVolatile = try reader.bool(["storage", "options", "disable-volatile"]) ?? false
    if let name = try reader.string(["storage", "options", "root-auto-userns-user"]) {
      rootAutoUserNamespaceUser = name
    }
    if let size = try reader.integer(["storage", "options", "auto-userns-min-size"]) {
      autoUserNamespaceMinimum = UInt32(clamping: size)
    }
    if let size = try reader.integer(["storage", "options", "auto-userns-max-size"]) {
      autoUserNamespaceMaximum = UInt32(clamping: size)
    }
    pullOptions = try reader.stringTable(["storage", "options", "pull_options"])
    if let override {
      driver = override
      origins["driver"] = "STORAGE_DRIVER"
    }
    useCanonicalDriverName()
    driverOptions = try reader.driverOptions(driver)
    if !driverOptions.isEmpty { origins["options"] = file }
    let unknown = reader.unknownKeys()
    if !unknown.isEmpty { warnings.append(.unknownKeys(file: file, keys: unknown)) }
  }

  /// `overlay2` is a synonym, with a warning.
  mutating func useCanonicalDriverName() {
    guard driver == "overlay2" else { return }
    driver = "overlay"
    warnings.append(
      .text("the driver name overlay2 is an old one: write overlay, which is used now"))
  }
}

/// Reads typed values out of a document and remembers which keys were asked for.
private struct SettingsReader {
  private let document: SettingsDocument
  private var known: Set<[String]> = []

  init(_ document: SettingsDocument) {
    self.document = document
  }

  private mutating func value(_ path: [String]) -> SettingValue? {
    known.insert(path)
    return document.content[path]
  }

  private func wrongType(_ path: [String], _ wanted: String) -> ConfigurationError {
    let line = document.line(of: path).map { ":\($0)" } ?? ""
    return ConfigurationError(
      "\(document.path)\(line): \(path.joined(separator: ".")) must be \(wanted): correct this file"
    )
  }

  mutating func string(_ path: [String]) throws(ConfigurationError) -> String? {
    switch value(path) {
    case nil: return nil
    case .string(let text): return text
    default: throw wrongType(path, "a string in quotation marks")
    }
  }

  mutating func bool(_ path: [String]) throws(ConfigurationError) -> Bool? {
    switch value(path) {
    case nil: return nil
    case .bool(let flag): return flag
    default: throw wrongType(path, "true or false")
    }
  }

  mutating func integer(_ path: [String]) throws(ConfigurationError) -> Int? {
    switch value(path) {
    case nil: return nil
    case .integer(let number): return number
    default: throw wrongType(path, "a number")
    }
  }

  mutating func strings(_ path: [String]) throws(ConfigurationError) -> [String] {
    guard let value = value(path) else { return [] }
    guard case .array(let items) = value else { throw wrongType(path, "a list of strings") }
    var result: [String] = []
    for item in items {
      switch item {
      case .string(let text): result.append(text)
      // `{append=true}` of newer versions: with one file there is nothing to append to.
      case .table(let members) where members.keys.allSatisfy({ $0 == "append" }): continue
      default: throw wrongType(path, "a list of strings")
      }
    }
    return result
  }

  mutating func stringTable(_ path: [String]) throws(ConfigurationError) -> [String: String] {
    guard let value = value(path) else { return [:] }
    guard case .table(let members) = value else { throw wrongType(path, "a table of strings") }
    var result: [String: String] = [:]
    for key in members.keys.sorted() { result[key] = try string(path + [key]) }
    return result
  }

  /// The list of storage-format 7.2, in its order; measured with 1.43 for the driver's own table.
  mutating func driverOptions(_ driver: String) throws(ConfigurationError) -> [String] {
    let general = ["storage", "options"]
    var options: [String] = []
    for path in try strings(general + ["additionalimagestores"]) {
      options.append("\(driver).imagestore=\(path)")
    }
    for path in try strings(general + ["additionallayerstores"]) {
      options.append("\(driver).additionallayerstore=\(path)")
    }
    for key in ["size", "mount_program", "skip_mount_home", "ignore_chown_errors"] {
      try append(key, of: general, to: &options, driver)
    }
    if let mask = value(general + ["force_mask"]) {
      switch mask {
      case .string(let text) where !text.isEmpty: options.append("\(driver).force_mask=\(text)")
      case .integer(let bits) where bits != 0:
        options.append("\(driver).force_mask=\(String(bits, radix: 8))")
      case .string, .integer: break
      default: throw wrongType(general + ["force_mask"], "an octal number")
      }
    }
    try append("mountopt", of: general, to: &options, driver)
    _ = try string(general + ["imagestore"])
    let own = [
      "ignore_chown_errors", "mount_program", "mountopt", "size", "inodes", "skip_mount_home",
      "force_mask", "use_composefs", "sync",
    ]
    for table in ["overlay", "vfs"] {
      var ofTable: [String] = []
      for key in own where table == "overlay" || key == "ignore_chown_errors" {
        try append(key, of: general + [table], to: &ofTable, driver)
      }
      if table == driver { options += ofTable }
    }
    return options
  }

  private mutating func append(
    _ key: String, of table: [String], to options: inout [String], _ driver: String
  ) throws(ConfigurationError) {
    if let text = try string(table + [key]), !text.isEmpty {
      options.append("\(driver).\(key)=\(text)")
    }
  }

  /// Keys that nobody asked for, a table before its members; tables of drivers that Strata does not
  /// have are accepted unread.
  func unknownKeys() -> [StorageSettings.UnknownKey] {
    var result: [StorageSettings.UnknownKey] = []
    let foreign: Set<String> = ["btrfs", "zfs", "aufs", "thinpool"]
    func visit(_ value: SettingValue, _ path: [String]) {
      if known.contains(path) { return }
      if path.count == 3, path[0] == "storage", path[1] == "options", foreign.contains(path[2]) {
        return
      }
      let isPrefix = path.isEmpty || known.contains { $0.starts(with: path) }
      if !isPrefix {
        result.append(
          .init(name: path.joined(separator: "."), line: document.line(of: path)))
      }
      if case .table(let members) = value {
        for key in members.keys.sorted() {
          if let member = members[key] { visit(member, path + [key]) }
        }
      }
    }
    visit(document.content, [])
    return result
  }
}
