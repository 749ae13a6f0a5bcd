/// The name of an image: `[domain/]path[:tag][@digest]`, in the grammar of the distribution project.
///
/// Names given by people are brought to podman's normal form first: what has no registry in front is
/// an image of this machine, so `two` is `localhost/two:latest`; and what Docker's own registry
/// holds is spelled in full, so `docker.io/foo` is `docker.io/library/foo:latest` (measured with
/// podman 4.3 name by name). A store's records hold the normal form alone.
public struct Reference: Hashable, Sendable, CustomStringConvertible {
  /// Why a text is no image name; `description` is the text that podman prints.
  public struct InvalidReference: Error, Sendable, CustomStringConvertible {
    /// The text that was given.
    public let text: String
    /// What is wrong with it.
    public let reason: String

    /// One line.
    public var description: String { "normalizing name \"\(text)\": \(reason)" }
  }

  /// The registry: a host name, with a port if the name has one.
  public let domain: String
  /// The repository at the registry.
  public let path: String
  /// The tag, nil only where a digest is given without one.
  public let tag: String?
  /// The digest of a manifest.
  public let digest: Digest?

  /// Domain and path: the name without tag and digest.
  public var repository: String { "\(domain)/\(path)" }

  /// The whole name.
  public var description: String {
    repository + (tag.map { ":" + $0 } ?? "") + (digest.map { "@\($0)" } ?? "")
  }

  /// Brings a name to podman's normal form.
  public init(normalizing text: String) throws(InvalidReference) {
    func invalid(_ reason: String) -> InvalidReference {
      InvalidReference(text: text, reason: reason)
    }
    let badFormat = "invalid reference format"
    guard !text.isEmpty else { throw invalid("repository name must have at least one component") }
    var rest = text[...]
    var digest: Digest?
    if let at = rest.lastIndex(of: "@") {
      do throws(Digest.ParseError) {
        digest = try Digest(rest[rest.index(after: at)...])
      } catch {
        throw invalid(badFormat)
      }
      rest = rest[..<at]
    }
    var tag: String?
    let lastSlash = rest.lastIndex(of: "/") ?? rest.startIndex
    if let colon = rest[lastSlash...].lastIndex(of: ":") {
      let name = rest[rest.index(after: colon)...]
      guard isTag(name) else { throw invalid(badFormat) }
      tag = String(name)
      rest = rest[..<colon]
    }
    var (domain, path) = splitDomain(rest)
    if domain == "docker.io", !path.contains("/") { path = "library/" + path }
    guard isDomain(domain[...]) else { throw invalid(badFormat) }
    guard isRepositoryPath(path[...]) else {
      throw invalid(
        isRepositoryPath(path.lowercased()[...]) ? "repository name must be lowercase" : badFormat)
    }
    guard domain.utf8.count + 1 + path.utf8.count <= 255 else {
      throw invalid("repository name must not be more than 255 characters")
    }
    self.domain = domain
    self.path = path
    self.tag = tag ?? (digest == nil ? "latest" : nil)
    self.digest = digest
  }
}

/// The registry and the rest of a name.
///
/// The part before the first slash is a registry if it cannot
/// be part of a path: it holds a dot or a colon, or is `localhost`.
private func splitDomain(_ name: Substring) -> (domain: String, path: String) {
  guard let slash = name.firstIndex(of: "/") else { return ("localhost", String(name)) }
  let first = name[..<slash]
  let path = String(name[name.index(after: slash)...])
  guard first.contains(".") || first.contains(":") || first == "localhost" else {
    return ("localhost", String(name))
  }
  // The old name of Docker's registry.
  return (first == "index.docker.io" ? "docker.io" : String(first), path)
}

/// Host labels of letters, digits and inner hyphens joined by dots, and a port.
private func isDomain(_ text: Substring) -> Bool {
  var host = text
  if let colon = text.firstIndex(of: ":") {
    let port = text[text.index(after: colon)...]
    guard !port.isEmpty, port.utf8.allSatisfy(isDigit) else { return false }
    host = text[..<colon]
  }
  return host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
    guard let first = label.utf8.first, let last = label.utf8.last else { return false }
    return first != hyphen && last != hyphen
      && label.utf8.allSatisfy { isDigit($0) || isLower($0) || isUpper($0) || $0 == hyphen }
  }
}

/// Whether this is components joined by slashes.
///
/// Each is made of lower-case letters and digits with separators inside: a
/// dot, one or two underscores, or any number of hyphens.
private func isRepositoryPath(_ text: Substring) -> Bool {
  text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { component in
    var separator: [UInt8] = []
    var isAfterLetter = false
    for byte in component.utf8 {
      if isLower(byte) || isDigit(byte) {
        guard separator.isEmpty || (isAfterLetter && isSeparator(separator)) else { return false }
        separator = []
        isAfterLetter = true
      } else {
        separator.append(byte)
      }
    }
    return isAfterLetter && separator.isEmpty
  }
}

private func isSeparator(_ bytes: [UInt8]) -> Bool {
  let underscore = UInt8(ascii: "_")
  return bytes == [UInt8(ascii: ".")] || bytes == [underscore] || bytes == [underscore, underscore]
    || bytes.allSatisfy { $0 == hyphen }
}

/// A word character and up to 127 of word characters, dots and hyphens.
private func isTag(_ text: Substring) -> Bool {
  func isWord(_ byte: UInt8) -> Bool {
    isDigit(byte) || isLower(byte) || isUpper(byte) || byte == UInt8(ascii: "_")
  }
  guard let first = text.utf8.first, isWord(first), text.utf8.count <= 128 else { return false }
  return text.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: ".") || $0 == hyphen }
}

private let hyphen = UInt8(ascii: "-")

private func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
private func isLower(_ byte: UInt8) -> Bool { byte >= 0x61 && byte <= 0x7a }
private func isUpper(_ byte: UInt8) -> Bool { byte >= 0x41 && byte <= 0x5a }
