import StrataSystem

extension RegistriesConfiguration {
  /// Reads what is in force: the main file, then the drop-in files in the order of their names, then
  /// the user's file of aliases.
  ///
  /// The main file is the one that `CONTAINERS_REGISTRIES_CONF` names (or the older
  /// `REGISTRIES_CONFIG_PATH`), then the user's, then the system's; missing files say nothing. Drop-in
  /// files of the user replace those of the system of the same name.
  package static func load(surroundings: Surroundings) throws(ConfigurationError)
    -> RegistriesConfiguration
  {
    var result = RegistriesConfiguration()
    let named = surroundings["CONTAINERS_REGISTRIES_CONF"] ?? surroundings["REGISTRIES_CONFIG_PATH"]
    let user = surroundings.isRootless ? userFolder(surroundings) : nil
    let system = surroundings.system("/etc/containers")
    if let named {
      guard let document = try SettingsDocument(reading: RawPath(named)) else {
        throw ConfigurationError("open \(named): no such file or directory")
      }
      try result.take(document)
    } else {
      let candidates = [user, system].compactMap { $0?.appending("registries.conf") }
      for candidate in candidates {
        guard let document = try SettingsDocument(reading: candidate) else { continue }
        try result.take(document)
        break
      }
    }
    for file in dropIns([system, user].compactMap { $0?.appending("registries.conf.d") }) {
      if let document = try SettingsDocument(reading: file) { try result.take(document) }
    }
    if let cache = aliasCache(surroundings), let document = try SettingsDocument(reading: cache) {
      try result.take(document)
    }
    return result
  }

  private static func userFolder(_ surroundings: Surroundings) -> RawPath? {
    surroundings.configurationFolder?.appending("containers")
  }

  /// The `.conf` files of folders, by name; a later folder's file takes the place of an earlier one's.
  private static func dropIns(_ folders: [RawPath]) -> [RawPath] {
    var files: [RawPath: RawPath] = [:]
    for folder in folders {
      guard
        let directory = try? FileDescriptor.workingDirectory.open(folder, [.readOnly, .directory])
      else { continue }
      for entry in (try? directory.view.entries()) ?? [] {
        let name = entry.name.description
        if name.hasSuffix(".conf") { files[RawPath(name)] = folder.appending(RawPath(name)) }
      }
    }
    return files.sorted { $0.key < $1.key }.map(\.value)
  }

  /// Where podman keeps the short names that its user has chosen a registry for.
  private static func aliasCache(_ surroundings: Surroundings) -> RawPath? {
    let file: RawPath = "containers/short-name-aliases.conf"
    guard surroundings.isRootless else { return surroundings.system("/var/cache").appending(file) }
    if let cache = surroundings["XDG_CACHE_HOME"] { return RawPath(cache).appending(file) }
    return surroundings.home?.appending(".cache").appending(file)
  }

  /// Lays a file over what was read before it.
  mutating func take(_ document: SettingsDocument) throws(ConfigurationError) {
    let reader = RegistriesReader(document: document)
    if let list = try reader.strings(["unqualified-search-registries"]) { searchRegistries = list }
    if let mode = try reader.string(["short-name-mode"]), !mode.isEmpty {
      guard let mode = ShortNameMode(rawValue: mode) else {
        throw reader.wrong(["short-name-mode"], "enforcing, permissive or disabled")
      }
      shortNameMode = mode
    }
    if let list = try reader.strings(["credential-helpers"]), !list.isEmpty {
      credentialHelpers = list
    }
    if case .table(let table) = document.content[["aliases"]] {
      for (name, value) in table {
        guard case .string(let full) = value else {
          throw reader.wrong(["aliases", name], "a string in quotation marks")
        }
        // An empty one takes back what an earlier file said.
        aliases[name] = full.isEmpty ? nil : full
      }
    }
    for registry in try reader.registries() {
      registries.removeAll { $0.prefix == registry.prefix }
      registries.append(registry)
    }
    try takeOldForm(reader)
  }

  /// Version 1: lists of hosts under `[registries.search]`, `.insecure` and `.block`.
  private mutating func takeOldForm(_ reader: RegistriesReader) throws(ConfigurationError) {
    if let list = try reader.strings(["registries", "search", "registries"]) {
      searchRegistries = list
    }
    for host in try reader.strings(["registries", "insecure", "registries"]) ?? [] {
      registries.append(Registry(prefix: host, location: host, isInsecure: true))
    }
    for host in try reader.strings(["registries", "block", "registries"]) ?? [] {
      registries.append(Registry(prefix: host, location: host, isBlocked: true))
    }
  }
}

/// Reads typed values of one registries.conf.
private struct RegistriesReader {
  let document: SettingsDocument

  func wrong(_ path: [String], _ wanted: String) -> ConfigurationError {
    let line = document.line(of: path).map { ":\($0)" } ?? ""
    return ConfigurationError(
      "\(document.path)\(line): \(path.joined(separator: ".")) must be \(wanted): correct this file"
    )
  }

  func string(_ path: [String], in value: SettingValue? = nil) throws(ConfigurationError) -> String?
  {
    switch (value ?? document.content)[path] {
    case nil: return nil
    case .string(let text): return text
    default: throw wrong(path, "a string in quotation marks")
    }
  }

  func bool(_ name: String, in value: SettingValue) throws(ConfigurationError) -> Bool {
    switch value[[name]] {
    case nil: return false
    case .bool(let flag): return flag
    default: throw wrong(["registry", name], "true or false")
    }
  }

  func strings(_ path: [String]) throws(ConfigurationError) -> [String]? {
    guard let value = document.content[path] else { return nil }
    guard case .array(let items) = value else { throw wrong(path, "a list of strings") }
    var result: [String] = []
    for item in items {
      guard case .string(let text) = item else { throw wrong(path, "a list of strings") }
      result.append(text)
    }
    return result
  }

  func registries() throws(ConfigurationError) -> [RegistriesConfiguration.Registry] {
    // Of version 1 `registries` is a table of lists; of version 2 `registry` a list of tables.
    guard let value = document.content[["registry"]] else { return [] }
    guard case .array(let items) = value else { throw wrong(["registry"], "written [[registry]]") }
    var result: [RegistriesConfiguration.Registry] = []
    for item in items {
      let location = trimmed(try string(["location"], in: item) ?? "")
      let prefix = trimmed(try string(["prefix"], in: item) ?? "")
      if prefix.isEmpty && location.isEmpty {
        throw wrong(["registry"], "given a prefix or a location")
      }
      if location.isEmpty && !prefix.hasPrefix("*.") {
        throw wrong(["registry"], "given a location, since its prefix is no *.domain")
      }
      var registry = RegistriesConfiguration.Registry(
        prefix: prefix.isEmpty ? location : prefix, location: location)
      registry.isInsecure = try bool("insecure", in: item)
      registry.isBlocked = try bool("blocked", in: item)
      let byDigestOnly = try bool("mirror-by-digest-only", in: item)
      registry.mirrors = try mirrors(of: item, byDigestOnly: byDigestOnly)
      result.append(registry)
    }
    return result
  }

  private func mirrors(of registry: SettingValue, byDigestOnly: Bool) throws(ConfigurationError)
    -> [RegistriesConfiguration.Mirror]
  {
    guard let value = registry[["mirror"]] else { return [] }
    guard case .array(let items) = value else {
      throw wrong(["registry", "mirror"], "written [[registry.mirror]]")
    }
    var result: [RegistriesConfiguration.Mirror] = []
    for item in items {
      let location = trimmed(try string(["location"], in: item) ?? "")
      if location.isEmpty { throw wrong(["registry", "mirror"], "given a location") }
      var mirror = RegistriesConfiguration.Mirror(location: location)
      mirror.isInsecure = try bool("insecure", in: item)
      let use = try string(["pull-from-mirror"], in: item) ?? ""
      if !use.isEmpty {
        guard let known = RegistriesConfiguration.MirrorUse(rawValue: use) else {
          throw wrong(["registry", "pull-from-mirror"], "all, digest-only or tag-only")
        }
        if byDigestOnly {
          throw wrong(
            ["registry", "pull-from-mirror"], "left out where mirror-by-digest-only is true")
        }
        mirror.use = known
      } else if byDigestOnly {
        mirror.use = .digestOnly
      }
      result.append(mirror)
    }
    return result
  }

  /// Without a slash at the end; a scheme in front is none of a location.
  private func trimmed(_ text: String) -> String {
    var text = text
    while text.hasSuffix("/") { text.removeLast() }
    return text
  }
}
