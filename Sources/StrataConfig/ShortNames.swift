package import StrataModel

extension RegistriesConfiguration {
  /// The full names that a name given by a person may mean, in the order in which they are tried.
  ///
  /// A name with a registry in front means itself. Any other is an alias, or an image of one of the
  /// registries that are searched. `docker://` in front is taken off, as podman does; of a tag and a
  /// digest the digest counts.
  package func candidates(for text: String) throws(ConfigurationError) -> [Reference] {
    let name = withoutTransport(text)
    guard isShort(name) else { return [try parse(name)] }
    let (base, rest) = split(name)
    if let full = aliases[base] { return [try parse(full + rest)] }
    if searchRegistries.isEmpty {
      throw ConfigurationError(
        "short-name \(quoted(name)) did not resolve to an alias and no unqualified-search "
          + "registries are defined in registries.conf: put the registry in front of the name")
    }
    var result: [Reference] = []
    for registry in searchRegistries { result.append(try parse("\(registry)/\(name)")) }
    if shortNameMode == .enforcing, result.count > 1 {
      let names = result.map(\.description).joined(separator: ", ")
      throw ConfigurationError(
        "short-name \(quoted(name)) may mean more than one image, and short-name-mode is enforcing: "
          + "write one of \(names)")
    }
    return result
  }

  /// The full name of an image at a registry, for what is pushed; short names have no meaning there.
  package func destinationReference(_ text: String) throws(ConfigurationError) -> Reference {
    try parse(withoutTransport(text))
  }

  private func withoutTransport(_ text: String) -> String {
    text.hasPrefix("docker://") ? String(text.dropFirst("docker://".count)) : text
  }

  private func parse(_ text: String) throws(ConfigurationError) -> Reference {
    var text = text
    // podman reads by digest alone where both are given.
    if let at = text.firstIndex(of: "@") {
      let name = text[..<at]
      let slash = name.lastIndex(of: "/") ?? name.startIndex
      if let colon = name[slash...].lastIndex(of: ":") {
        text = String(name[..<colon]) + text[at...]
      }
    }
    do throws(Reference.InvalidReference) {
      return try Reference(normalizing: text)
    } catch {
      throw ConfigurationError(error.description)
    }
  }

  /// Whether no registry stands in front.
  private func isShort(_ name: String) -> Bool {
    guard let slash = name.firstIndex(of: "/") else { return true }
    let first = name[..<slash]
    return !(first.contains(".") || first.contains(":") || first == "localhost")
  }

  /// A short name and its tag or digest.
  private func split(_ name: String) -> (String, String) {
    if let at = name.firstIndex(of: "@") { return (String(name[..<at]), String(name[at...])) }
    let slash = name.lastIndex(of: "/") ?? name.startIndex
    guard let colon = name[slash...].lastIndex(of: ":") else { return (name, "") }
    return (String(name[..<colon]), String(name[colon...]))
  }
}
