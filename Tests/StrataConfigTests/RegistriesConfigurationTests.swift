import StrataConfig
import StrataModel
import StrataSystem
import StrataTestSupport
import Testing

extension Machine {
  fileprivate func load(_ text: String) throws -> RegistriesConfiguration {
    try write("etc/containers/registries.conf", text)
    return try RegistriesConfiguration.load(surroundings: surroundings())
  }
}

private let mirrored = """
  unqualified-search-registries = ["one.test", "two.test"]
  short-name-mode = "permissive"
  [aliases]
  "short" = "one.test/ns/long"
  [[registry]]
  prefix = "one.test"
  location = "one.test"
  insecure = true
  [[registry]]
  prefix = "one.test/ns"
  location = "real.test:5000/moved"
  [[registry.mirror]]
  location = "all.test/x"
  [[registry.mirror]]
  location = "digests.test"
  insecure = true
  pull-from-mirror = "digest-only"
  [[registry.mirror]]
  location = "tags.test"
  pull-from-mirror = "tag-only"
  [[registry]]
  prefix = "*.wild.test"
  location = "caught.test"
  [[registry]]
  prefix = "bad.test"
  location = "bad.test"
  blocked = true
  """

@Suite("registries.conf")
struct RegistriesConfigurationTests {
  private func places(_ name: String, _ configuration: RegistriesConfiguration) throws -> [String] {
    try configuration.sources(of: try Reference(normalizing: name)).map {
      $0.reference.description + ($0.isInsecure ? " insecure" : "")
    }
  }

  @Test func theLongestPrefixRewrites() throws {
    let machine = try Machine()
    let configuration = try machine.load(mirrored)
    #expect(
      try places("one.test/ns/app:1", configuration) == [
        "all.test/x/app:1", "tags.test/app:1", "real.test:5000/moved/app:1",
      ])
    let digest = "@sha256:" + String(repeating: "a", count: 64)
    #expect(
      try places("one.test/ns/app\(digest)", configuration) == [
        "all.test/x/app\(digest)", "digests.test/app\(digest) insecure",
        "real.test:5000/moved/app\(digest)",
      ])
    // A prefix ends where a component does.
    #expect(try places("one.test/nsx/app", configuration) == ["one.test/nsx/app:latest insecure"])
    #expect(try places("one.tester/ns/app", configuration) == ["one.tester/ns/app:latest"])
    #expect(try places("a.b.wild.test/app:2", configuration) == ["caught.test/app:2"])
    #expect(try places("wild.test/app:2", configuration) == ["wild.test/app:2"])
  }

  @Test func aBlockedRegistryIsRefused() throws {
    let machine = try Machine()
    let configuration = try machine.load(mirrored)
    #expect(throws: ConfigurationError.self) { try places("bad.test/app", configuration) }
    let reference = try Reference(normalizing: "bad.test/app")
    #expect(throws: ConfigurationError.self) { try configuration.destination(of: reference) }
  }

  @Test func nothingIsPushedToAMirror() throws {
    let machine = try Machine()
    let configuration = try machine.load(mirrored)
    let reference = try Reference(normalizing: "one.test/ns/app:1")
    let target = try configuration.destination(of: reference)
    #expect(target.reference.description == "real.test:5000/moved/app:1")
  }

  @Test func mirrorsByDigestOnly() throws {
    let machine = try Machine()
    let configuration = try machine.load(
      """
      [[registry]]
      location = "a.test"
      mirror-by-digest-only = true
      [[registry.mirror]]
      location = "m.test"
      """)
    #expect(try places("a.test/x:1", configuration) == ["a.test/x:1"])
    let digest = "@sha256:" + String(repeating: "b", count: 64)
    #expect(
      try places("a.test/x\(digest)", configuration) == ["m.test/x\(digest)", "a.test/x\(digest)"])
  }

  @Test func shortNames() throws {
    let machine = try Machine()
    var configuration = try machine.load(mirrored)
    func names(_ text: String) throws -> [String] {
      try configuration.candidates(for: text).map(\.description)
    }
    #expect(try names("short:3") == ["one.test/ns/long:3"])
    #expect(try names("other") == ["one.test/other:latest", "two.test/other:latest"])
    #expect(try names("ns/other:1") == ["one.test/ns/other:1", "two.test/ns/other:1"])
    #expect(try names("docker://full.test/x") == ["full.test/x:latest"])
    #expect(try names("localhost/x") == ["localhost/x:latest"])
    // Of a tag and a digest the digest counts.
    let digest = "@sha256:" + String(repeating: "c", count: 64)
    #expect(try names("full.test:5000/x:1\(digest)") == ["full.test:5000/x\(digest)"])
    configuration.shortNameMode = .enforcing
    #expect(throws: ConfigurationError.self) { try names("other") }
    configuration.searchRegistries = ["one.test"]
    #expect(try names("other") == ["one.test/other:latest"])
    configuration.searchRegistries = []
    #expect(throws: ConfigurationError.self) { try names("other") }
  }

  @Test func dropInsAndTheUsersOwnFiles() throws {
    let machine = try Machine()
    try machine.write("etc/containers/registries.conf", mirrored)
    try machine.write(
      "etc/containers/registries.conf.d/10-a.conf", "[aliases]\n\"a\" = \"one.test/a\"\n")
    try machine.write(
      "etc/containers/registries.conf.d/20-b.conf",
      "[aliases]\n\"a\" = \"two.test/a\"\n[[registry]]\nlocation = \"one.test\"\n")
    try machine.write("etc/containers/registries.conf.d/ignored", "no TOML at all")
    let configuration = try RegistriesConfiguration.load(surroundings: machine.surroundings())
    #expect(configuration.aliases["a"] == "two.test/a")
    #expect(configuration.aliases["short"] == "one.test/ns/long")
    #expect(try places("one.test/app", configuration) == ["one.test/app:latest"])
    // A user's main file takes the place of the system's; the drop-ins stay.
    try machine.write(
      "home/.config/containers/registries.conf", "unqualified-search-registries = [\"u.test\"]\n")
    let user = try RegistriesConfiguration.load(
      surroundings: machine.surroundings(["HOME": "@/home"], user: 1000))
    #expect(user.searchRegistries == ["u.test"])
    #expect(user.aliases["a"] == "two.test/a")
    // And a file that a variable names that of both.
    try machine.write("named.conf", "[registries.search]\nregistries = [\"old.test\"]\n")
    let named = try RegistriesConfiguration.load(
      surroundings: machine.surroundings(["CONTAINERS_REGISTRIES_CONF": "@/named.conf"]))
    #expect(named.searchRegistries == ["old.test"])
  }

  @Test(arguments: [
    "[[registry]]\n", "[[registry]]\nprefix = \"a.test\"\n", "short-name-mode = \"odd\"\n",
    "unqualified-search-registries = \"a\"\n", "[[registry]]\nlocation = 7\n",
    "[[registry]]\nlocation = \"a\"\n[[registry.mirror]]\ninsecure = true\n",
    "[[registry]]\nlocation = \"a\"\nblocked = \"yes\"\n", "[aliases]\na = 1\n", "= =",
  ])
  func mistakesAreToldWithTheFile(text: String) throws {
    let machine = try Machine()
    do {
      _ = try machine.load(text)
      Issue.record("it was taken: \(text)")
    } catch let error as ConfigurationError {
      #expect(error.description.contains("registries.conf"))
    }
  }
}

@Suite("Credentials of registries")
struct CredentialTests {
  private let admin = Credentials.password(user: "admin", password: "secret:1")

  private func file(_ key: String) -> String {
    // admin:secret:1
    #"{"auths":{"\#(key)":{"auth":"YWRtaW46c2VjcmV0OjE="}}}"#
  }

  @Test func theMostExactKeyCounts() throws {
    let machine = try Machine()
    try machine.write(
      "auth.json",
      """
      {"auths":{"r.test":{"auth":"YTpi"},"r.test/ns/app":{"auth":"YWRtaW46c2VjcmV0OjE="},
       "r.test/token":{"auth":"YTpi","identitytoken":"refresh"},"r.test/empty":{}}}
      """)
    let search = CredentialSearch(
      authFile: machine.scratch.path.appending("auth.json"), helpers: ["containers-auth.json"],
      surroundings: machine.surroundings())
    #expect(try search.find(host: "r.test", path: "ns/app") == admin)
    #expect(try search.find(host: "r.test", path: "ns") == .password(user: "a", password: "b"))
    #expect(try search.find(host: "r.test", path: "token/x") == .identityToken("refresh"))
    #expect(try search.find(host: "r.test", path: "empty") == .password(user: "a", password: "b"))
    #expect(try search.find(host: "other.test", path: "ns/app") == nil)
  }

  private struct Place: Sendable, CustomTestStringConvertible {
    var path: String
    var variables: [String: String]
    var user: UInt32 = 0
    var key = "r.test"
    var testDescription: String { path }
  }

  @Test(arguments: [
    Place(path: "run/containers/0/auth.json", variables: [:]),
    Place(path: "x/containers/auth.json", variables: ["XDG_RUNTIME_DIR": "@/x"], user: 1000),
    Place(path: "h/.config/containers/auth.json", variables: ["HOME": "@/h"], user: 1000),
    Place(path: "h/.docker/config.json", variables: ["HOME": "@/h"], key: "https://r.test/v1/"),
    Place(path: "d/config.json", variables: ["DOCKER_CONFIG": "@/d", "HOME": "@/h"]),
    Place(path: "given.json", variables: ["REGISTRY_AUTH_FILE": "@/given.json"]),
  ])
  private func filesAreFound(_ place: Place) throws {
    let machine = try Machine()
    try machine.write(place.path, file(place.key))
    let search = CredentialSearch(
      authFile: nil, helpers: ["containers-auth.json"],
      surroundings: machine.surroundings(place.variables, user: place.user))
    #expect(try search.find(host: "r.test", path: "a") == admin)
  }

  @Test func theOldestFormHasNoAuths() throws {
    let machine = try Machine()
    try machine.write("h/.dockercfg", #"{"http://r.test":{"auth":"YWRtaW46c2VjcmV0OjE="}}"#)
    let search = CredentialSearch(
      authFile: nil, helpers: ["containers-auth.json"],
      surroundings: machine.surroundings(["HOME": "@/h"]))
    #expect(try search.find(host: "r.test", path: "a") == admin)
  }

  @Test func programsAreAsked() throws {
    let machine = try Machine()
    try machine.write(
      "bin/docker-credential-mine",
      """
      #!/bin/sh
      read host
      case $1:$host in
      get:r.test) echo '{"ServerURL":"r.test","Username":"admin","Secret":"secret:1"}';;
      get:t.test) echo '{"Username":"<token>","Secret":"refresh"}';;
      get:e.test) echo broken; exit 2;;
      *) echo 'credentials not found in native keychain'; exit 1;;
      esac
      """, mode: 0o755)
    try machine.write("auth.json", #"{"credHelpers":{"r.test":"mine","gone.test":"lost"}}"#)
    let surroundings = machine.surroundings(["PATH": "@/bin"])
    let file = CredentialSearch(
      authFile: machine.scratch.path.appending("auth.json"), helpers: ["containers-auth.json"],
      surroundings: surroundings)
    #expect(try file.find(host: "r.test", path: "a") == admin)
    #expect(try file.find(host: "t.test", path: "a") == nil)
    #expect(throws: ConfigurationError.self) { try file.find(host: "gone.test", path: "a") }
    let global = CredentialSearch(authFile: nil, helpers: ["mine"], surroundings: surroundings)
    #expect(try global.find(host: "t.test", path: "a") == .identityToken("refresh"))
    #expect(try global.find(host: "other.test", path: "a") == nil)
    #expect(throws: ConfigurationError.self) { try global.find(host: "e.test", path: "a") }
  }

  @Test(arguments: [
    "[]", "{", #"{"auths":{"r.test":{"auth":"!!!!"}}}"#, #"{"auths":{"r.test":{"auth":"YWI="}}}"#,
  ])
  func mistakesAreTold(text: String) throws {
    let machine = try Machine()
    try machine.write("auth.json", text)
    let search = CredentialSearch(
      authFile: machine.scratch.path.appending("auth.json"), helpers: ["containers-auth.json"],
      surroundings: machine.surroundings())
    do {
      _ = try search.find(host: "r.test", path: "a")
      Issue.record("it was taken: \(text)")
    } catch {
      #expect(error.description.contains("auth.json"))
    }
  }

  @Test func certificatesOfAHost() throws {
    let machine = try Machine()
    try machine.write("etc/containers/certs.d/r.test:5000/ca.crt", "")
    try machine.write("etc/containers/certs.d/r.test:5000/me.cert", "")
    try machine.write("etc/containers/certs.d/r.test:5000/me.key", "")
    try machine.write("etc/docker/certs.d/r.test:5000/other.crt", "")
    try machine.write("etc/docker/certs.d/d.test/d.crt", "")
    try machine.write("etc/docker/certs.d/half.test/x.cert", "")
    let surroundings = machine.surroundings()
    let found = try RegistryCertificates(host: "r.test:5000", surroundings: surroundings)
    #expect(found.authorities.map(\.lastComponent) == ["ca.crt"])
    #expect(found.clients.map(\.key.lastComponent) == ["me.key"])
    let docker = try RegistryCertificates(host: "d.test", surroundings: surroundings)
    #expect(docker.authorities.map(\.lastComponent) == ["d.crt"])
    #expect(try RegistryCertificates(host: "n.test", surroundings: surroundings).authorities == [])
    #expect(throws: ConfigurationError.self) {
      try RegistryCertificates(host: "half.test", surroundings: surroundings)
    }
  }
}
