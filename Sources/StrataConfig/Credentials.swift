import StrataJSON
package import StrataSystem

/// What a registry is shown to let someone in.
package enum Credentials: Sendable, Hashable {
  /// A name and a password.
  case password(user: String, password: String)
  /// A refresh token: what `docker login` got from a registry instead of keeping the password.
  case identityToken(String)

  /// Reads `user:password` of a command line; nil where the colon is missing.
  package init?(text: String) {
    guard let colon = text.firstIndex(of: ":"), colon != text.startIndex else { return nil }
    self = .password(
      user: String(text[..<colon]), password: String(text[text.index(after: colon)...]))
  }
}

/// Finds the credentials for a repository in the files and by the programs that podman, buildah and
/// skopeo ask, in their order (containers-auth.json(5)).
///
/// Files are read at each call: a login must not need a restart.
package struct CredentialSearch: Sendable {
  private let files: [RawPath]
  private let helpers: [String]
  private let surroundings: Surroundings

  /// `authFile` is that of a command line and then the only one; `helpers` those of registries.conf.
  package init(authFile: RawPath?, helpers: [String], surroundings: Surroundings) {
    self.surroundings = surroundings
    self.helpers = helpers
    if let only = authFile ?? surroundings["REGISTRY_AUTH_FILE"].map({ RawPath($0) }) {
      files = [only]
    } else {
      files = Self.defaultFiles(surroundings)
    }
  }

  /// The credentials for a repository `host/path`, nil where nobody has any.
  ///
  /// Throws where a file is malformed or a helper fails.
  package func find(host: String, path: String) throws(ConfigurationError) -> Credentials? {
    for helper in helpers {
      if helper != "containers-auth.json" {
        if let found = try ask(helper, host) { return found }
        continue
      }
      for file in files {
        guard let content = try AuthFile(reading: file) else { continue }
        if let found = try find(in: content, host: host, path: path) { return found }
      }
    }
    return nil
  }

  private func find(in file: AuthFile, host: String, path: String) throws(ConfigurationError)
    -> Credentials?
  {
    if let helper = file.helpers[host] { return try ask(helper, host) }
    if let found = try file.credentials(host: host, path: path) { return found }
    if let store = file.store { return try ask(store, host, mustBeThere: false) }
    return nil
  }

  private func ask(_ helper: String, _ host: String, mustBeThere: Bool = true)
    throws(ConfigurationError) -> Credentials?
  {
    guard let program = StorageSettings.search(RawPath("docker-credential-\(helper)"), surroundings)
    else {
      if !mustBeThere { return nil }
      throw ConfigurationError(
        "credentials for \(host): docker-credential-\(helper) is not in PATH: install it or take the "
          + "helper out of the configuration")
    }
    return try askCredentialHelper(program, host: host)
  }

  /// podman's own file, then the user's, then Docker's.
  private static func defaultFiles(_ surroundings: Surroundings) -> [RawPath] {
    var files: [RawPath] = []
    if let runtime = surroundings["XDG_RUNTIME_DIR"] {
      files.append(RawPath(runtime).appending("containers/auth.json"))
    } else {
      let number = surroundings.rootlessUserID
      files.append(surroundings.system(RawPath("/run/containers/\(number)/auth.json")))
    }
    let home = surroundings.home
    if let folder = surroundings.configurationFolder {
      files.append(folder.appending("containers/auth.json"))
    }
    if let folder = surroundings["DOCKER_CONFIG"].map({ RawPath($0) }) ?? home?.appending(".docker")
    {
      files.append(folder.appending("config.json"))
    }
    if let home { files.append(home.appending(".dockercfg")) }
    return files
  }
}

/// One auth.json, or one of Docker's files.
struct AuthFile {
  /// Of each key the object that stands there.
  private var entries: [(key: String, value: JSONValue)] = []
  /// Programs to be asked, by host.
  private(set) var helpers: [String: String] = [:]
  /// The program to be asked for hosts without an entry.
  private(set) var store: String?
  private let path: RawPath

  /// Reads a file; a missing or empty one is nil.
  init?(reading path: RawPath) throws(ConfigurationError) {
    let bytes: [UInt8]
    do throws(Errno) {
      bytes = try FileDescriptor.workingDirectory.contents(of: path, limit: 16 << 20)
    } catch {
      if error == .noSuchFileOrDirectory || error == .notADirectory { return nil }
      throw ConfigurationError("open \(path): \(error)")
    }
    if bytes.isEmpty { return nil }
    try self.init(bytes, path: path)
  }

  init(_ bytes: [UInt8], path: RawPath) throws(ConfigurationError) {
    self.path = path
    let json: JSONValue
    do throws(JSONError) { json = try JSONValue(parsing: bytes) } catch {
      throw ConfigurationError("\(path): no JSON: \(error): log in again or correct this file")
    }
    guard case .object(let members) = json else {
      throw ConfigurationError("\(path): no JSON object: log in again or correct this file")
    }
    // The oldest form has no `auths`: its keys stand at the top.
    let isOld = path.lastComponent == ".dockercfg"
    for member in isOld ? members : json["auths"]?.members ?? [] {
      entries.append((member.name, member.value))
    }
    for member in isOld ? [] : json["credHelpers"]?.members ?? [] {
      if let name = member.value.string, !name.isEmpty { helpers[member.name] = name }
    }
    if !isOld, let name = json["credsStore"]?.string, !name.isEmpty { store = name }
  }

  /// By the key that names the repository most exactly; then by keys in older spellings of the host.
  func credentials(host: String, path: String) throws(ConfigurationError) -> Credentials? {
    var keys = ["\(host)/\(path)"]
    while let slash = keys[keys.count - 1].lastIndex(of: "/") {
      keys.append(String(keys[keys.count - 1][..<slash]))
    }
    for key in keys {
      if let entry = entries.first(where: { $0.key == key }),
        let found = try credentials(entry.value, key)
      {
        return found
      }
    }
    for entry in entries where normalizedHost(entry.key) == normalizedHost(host) {
      if let found = try credentials(entry.value, entry.key) { return found }
    }
    return nil
  }

  private func credentials(_ entry: JSONValue, _ key: String) throws(ConfigurationError)
    -> Credentials?
  {
    if let token = entry["identitytoken"]?.string, !token.isEmpty { return .identityToken(token) }
    guard let text = entry["auth"]?.string, !text.isEmpty else { return nil }
    var bytes: [UInt8] = []
    guard bytes.appendDecoded(base64: Array(text.utf8)[...]) else {
      throw ConfigurationError("\(path): auth of \(quotedKey(key)) is not base 64: log in again")
    }
    // Docker pads passwords with NUL.
    while bytes.last == 0 { bytes.removeLast() }
    guard let found = Credentials(text: String(decoding: bytes, as: UTF8.self)) else {
      throw ConfigurationError(
        "\(path): auth of \(quotedKey(key)) is no user:password: log in again")
    }
    return found
  }

  private func quotedKey(_ key: String) -> String { "\"\(key)\"" }
}

/// A key of a file as a host: without scheme and path, and Docker's registry under one of its names.
private func normalizedHost(_ key: String) -> String {
  var text = key[...]
  for scheme in ["https://", "http://"] where text.hasPrefix(scheme) {
    text = text.dropFirst(scheme.count)
  }
  let host = String(text.prefix { $0 != "/" })
  return ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(host)
    ? "docker.io" : host
}
