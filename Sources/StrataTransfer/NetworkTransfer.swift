package import StrataCommands
import StrataConfig
package import StrataModel
import StrataRegistry
package import StrataStore
import StrataSystem

/// The network half of `pull` and `push`.
package struct NetworkTransfer: RegistryTransfer {
  package init() {}

  package func pull(_ order: PullOrder, into store: Store) throws -> ImageRecord {
    let client = try client(order.access)
    defer { close(client) }
    return try Pull(order: order, client: client, store: store).run()
  }

  package func push(_ order: PushOrder, from store: Store) throws -> Digest {
    let client = try client(order.access)
    defer { close(client) }
    return try Push(order: order, client: client, store: store).run()
  }

  private func client(_ access: RegistryAccess) throws -> RegistryClient {
    var options = RegistryClient.Options()
    options.verifiesTLS = access.verifiesTLS
    options.authFile = access.authFile.map { RawPath($0) }
    if let text = access.credentials {
      guard let credentials = Credentials(text: text) else {
        throw StoreError(.usage, "--creds is written user:password")
      }
      options.credentials = credentials
    }
    return RegistryClient(
      configuration: try RegistriesConfiguration.load(surroundings: access.surroundings),
      options: options, surroundings: access.surroundings)
  }

  private func close(_ client: RegistryClient) {
    try? waiting { await client.shutdown() }
  }
}
