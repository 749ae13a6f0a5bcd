import StrataJSON
import StrataModel

/// The `config` member of an image's config: what a container of it runs and how.
///
/// Changes are spelled and read as podman 4.3 does for `commit --change` and `import --change`
/// (measured change by change), which is not quite what a Dockerfile says: a line holds one value.
struct ImageSettings {
  private var members: [String: JSONValue] = [:]
  /// The members that were changed; a caller splices these alone into a config.
  private(set) var changed: Set<String> = []

  /// The order in which the OCI specification's own program writes them.
  private static let order = [
    "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels",
    "StopSignal", "OnBuild",
  ]

  /// The settings of a config, or none.
  init(_ json: JSONValue?) {
    for member in json?.members ?? [] { members[member.name] = member.value }
  }

  /// All members, for a config that is made anew.
  var json: JSONValue {
    .members(Self.order.compactMap { name in members[name].map { (name, $0) } })
  }

  /// Replaces what was changed in the text of a whole config and leaves every other byte.
  func splice(into text: inout JSONText) throws(StoreError) {
    do throws(JSONError) {
      for name in Self.order where changed.contains(name) {
        if let value = members[name] {
          try text.set("config", name, to: value)
        } else {
          try text.remove("config", name)
        }
      }
    } catch {
      throw malformed("config: \(error)")
    }
  }

  /// Applies one change, such as `CMD ["/bin/sh"]` or `ENV=A=b`.
  mutating func apply(_ change: String) throws(StoreError) {
    func invalid(_ reason: String) -> StoreError {
      StoreError(.usage, "invalid change \(quoted(change)) - \(reason)")
    }
    guard let end = change.firstIndex(where: { $0 == " " || $0 == "=" }) else {
      throw invalid("must be formatted as KEY VALUE")
    }
    let key = change[..<end].uppercased()
    let value = trimmed(change[change.index(after: end)...])
    switch key {
    case "CMD": set("Cmd", command(value))
    case "ENTRYPOINT": set("Entrypoint", command(value))
    case "ENV":
      let (name, text) = pair(value)
      if name.isEmpty { throw invalid("ENV must have at least one argument") }
      setEnvironment(name, text ?? "")
    case "EXPOSE":
      switch port(value) {
      case .success(let port): insert(port, into: "ExposedPorts")
      case .failure(let failure): throw invalid(failure.reason)
      }
    case "LABEL":
      let (name, text) = pair(value)
      guard let text, !name.isEmpty else { throw invalid("LABEL must be formatted key=value") }
      insert(name, .string(text), into: "Labels")
    case "ONBUILD":
      set("OnBuild", .strings((members["OnBuild"]?.strings ?? []) + [value]))
    case "STOPSIGNAL":
      guard let number = signalNumber(value) else {
        throw invalid("KILLSIGNAL must be given a valid signal: invalid signal: \(value)")
      }
      set("StopSignal", .string(String(number)))
    case "USER": set("User", value.isEmpty ? nil : .string(value))
    case "VOLUME":
      for path in list(value) ?? value.split(separator: " ").map(String.init) {
        insert(path, into: "Volumes")
      }
    case "WORKDIR": set("WorkingDir", value.isEmpty ? nil : .string(value))
    default: throw invalid("invalid instruction \(key)")
    }
  }
}

// MARK: - Setting members

extension ImageSettings {
  private mutating func set(_ name: String, _ value: JSONValue?) {
    members[name] = value
    changed.insert(name)
  }

  private mutating func insert(
    _ key: String, _ value: JSONValue = .object([]), into name: String
  ) {
    var object = members[name]?.members ?? []
    object.removeAll { $0.name == key }
    object.append(JSONMember(key, value))
    // Go writes maps by key.
    object.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    set(name, .object(object))
  }

  /// A variable that is there keeps its place.
  private mutating func setEnvironment(_ name: String, _ value: String) {
    var entries = members["Env"]?.strings ?? []
    let entry = "\(name)=\(value)"
    if let index = entries.firstIndex(where: { $0.hasPrefix(name + "=") }) {
      entries[index] = entry
    } else {
      entries.append(entry)
    }
    set("Env", .strings(entries))
  }
}

// MARK: - Reading values

/// A list of words in JSON, or else a line for the shell; nothing for an empty value.
private func command(_ text: String) -> JSONValue? {
  if let words = list(text) { return words.isEmpty ? nil : .strings(words) }
  return text.isEmpty ? nil : .strings(["/bin/sh", "-c", text])
}

private func list(_ text: String) -> [String]? {
  guard text.hasPrefix("["), let json = try? JSONValue(parsing: Array(text.utf8)) else {
    return nil
  }
  return json.strings
}

/// `name=value` with quotes around a whole value taken off; no value where there is no `=`.
private func pair(_ text: String) -> (String, String?) {
  guard let equals = text.firstIndex(of: "=") else { return (text, nil) }
  let value = text[text.index(after: equals)...]
  let name = String(text[..<equals])
  if value.count >= 2, value.hasPrefix("\""),
    let plain = (try? JSONValue(parsing: Array(value.utf8)))?.string
  {
    return (name, plain)
  }
  return (name, String(value))
}

private struct PortError: Error {
  var reason: String
}

/// `80` is `80/tcp`.
private func port(_ text: String) -> Result<String, PortError> {
  let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
  let proto = parts.count == 2 ? parts[1].lowercased() : "tcp"
  guard proto == "tcp" || proto == "udp" else {
    return .failure(PortError(reason: "EXPOSE protocol must be TCP or UDP"))
  }
  let digits = parts.first ?? ""
  guard let number = Int(digits) else {
    let why = "strconv.Atoi: parsing \(quoted(String(digits))): invalid syntax"
    return .failure(PortError(reason: "EXPOSE port must be an integer: \(why)"))
  }
  guard (1...65535).contains(number) else {
    return .failure(PortError(reason: "EXPOSE port must be a valid port number"))
  }
  return .success("\(number)/\(proto)")
}

/// The number of a signal given by number or by name, with or without `SIG`.
private func signalNumber(_ text: String) -> Int? {
  if let number = Int(text) { return (1...64).contains(number) ? number : nil }
  var name = text.uppercased()
  if name.hasPrefix("SIG") { name.removeFirst(3) }
  let names = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
  ]
  return names.firstIndex(of: name).map { $0 + 1 }
}

private func trimmed(_ text: Substring) -> String {
  var rest = text
  while rest.first == " " { rest.removeFirst() }
  while rest.last == " " { rest.removeLast() }
  return String(rest)
}
