package import StrataConfig
import StrataDistribution
package import StrataModel
package import StrataSystem
import Synchronization

/// Reads and writes repositories at registries; keeps connections, tokens and what it has found out.
///
/// Thread-safe; one for a process.
package final class RegistryClient: Sendable {
  /// What a command line says.
  package struct Options: Sendable {
    /// Over all that is configured: whether certificates must be good and plain http is no way.
    package var verifiesTLS: Bool?
    /// In place of those that files and helpers have.
    package var credentials: Credentials?
    /// The only file of credentials.
    package var authFile: RawPath?

    package init() {}
  }

  package let configuration: RegistriesConfiguration
  private let options: Options
  private let surroundings: Surroundings
  private let transport: HTTPTransport
  private let registries = Mutex<[Key: Registry]>([:])

  private struct Key: Hashable {
    var host: String
    var isInsecure: Bool
  }

  package init(
    configuration: RegistriesConfiguration, options: Options, surroundings: Surroundings
  ) {
    self.configuration = configuration
    self.options = options
    self.surroundings = surroundings
    transport = HTTPTransport(surroundings: surroundings)
  }

  /// Closes all connections; nothing may be asked afterwards.
  package func shutdown() async { await transport.shutdown() }

  /// The places from which an image may be read, in order.
  package func sources(of reference: Reference) throws(ConfigurationError) -> [(
    repository: Repository, reference: Reference
  )] {
    try configuration.sources(of: reference).map { (repository(at: $0), $0.reference) }
  }

  /// The place to which an image is written.
  package func destination(of reference: Reference) throws(ConfigurationError) -> (
    repository: Repository, reference: Reference
  ) {
    let source = try configuration.destination(of: reference)
    return (repository(at: source), source.reference)
  }

  private func repository(at source: RegistriesConfiguration.Source) -> Repository {
    let isInsecure = options.verifiesTLS.map { !$0 } ?? source.isInsecure
    let key = Key(host: source.reference.domain, isInsecure: isInsecure)
    let registry = registries.withLock { known -> Registry in
      if let registry = known[key] { return registry }
      let registry = Registry(
        host: key.host, isInsecure: isInsecure, transport: transport,
        credentials: credentials(for: key.host))
      known[key] = registry
      return registry
    }
    return Repository(registry: registry, path: source.reference.path)
  }

  /// Read anew at each call: a login must not need a restart.
  private func credentials(for host: String)
    -> @Sendable (String) throws(ConfigurationError) -> Credentials?
  {
    if let given = options.credentials { return { _ in given } }
    let search = CredentialSearch(
      authFile: options.authFile, helpers: configuration.credentialHelpers,
      surroundings: surroundings)
    return { path throws(ConfigurationError) in try search.find(host: host, path: path) }
  }
}
