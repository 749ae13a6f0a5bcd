package import StrataConfig
package import StrataImage
package import StrataModel
package import StrataStore
import StrataSystem

/// What `pull` and `push` need of a program that speaks to registries: `strata` itself links no network.
package protocol RegistryTransfer {
  /// Reads an image from a registry into the store.
  func pull(_ order: PullOrder, into store: Store) throws -> ImageRecord
  /// Writes an image of the store to a registry and returns the digest of the manifest there.
  func push(_ order: PushOrder, from store: Store) throws -> Digest
}

/// How registries are spoken to.
package struct RegistryAccess {
  /// Whether certificates must be good; nil for what is configured.
  package var verifiesTLS: Bool?
  /// `user:password`, in place of those that files have.
  package var credentials: String?
  /// The only file of credentials.
  package var authFile: String?
  /// Variables, user and folders.
  package var surroundings: Surroundings
  /// Told of what is wrong and does not stop the transfer.
  package var warn: (String) -> Void
  /// Told of each step.
  package var progress: (any TransferProgress)?
}

/// An image to be pulled.
package struct PullOrder {
  /// As it was written.
  package var image: String
  package var operatingSystem: String?
  package var architecture: String?
  package var variant: String?
  /// The state directory of strata-lazy; nil for the usual one.
  package var stateDirectory: String?
  /// Whether the blobs of layers stay beside them.
  package var keepsBlobs: Bool
  package var access: RegistryAccess
}

/// An image to be pushed.
package struct PushOrder {
  /// Its key in the store.
  package var image: String
  /// Where it goes, as it was written; nil for its own name.
  package var destination: String?
  /// The compression of layers that must be made anew; nil for gzip.
  package var compression: Compression?
  package var access: RegistryAccess
}

extension Session {
  /// The network half of this program, or this process is replaced by the one that has it:
  /// `strata-lazy` beside this executable, else in PATH, with the same options and words.
  func registryTransfer(_ verb: String) throws -> any RegistryTransfer {
    if let transfer { return transfer }
    let name: RawPath = "strata-lazy"
    guard let program = StorageSettings.ownProgram(name, surroundings) else {
      throw ConfigurationError(
        "no strata-lazy beside strata or in PATH: the network half of \(verb) is that program: "
          + "install it")
    }
    output.flush()
    do throws(Errno) {
      try replaceProcess(
        program, ([name, RawPath(verb)] + leadingWords + verbWords.map { RawPath($0) }))
    } catch {
      throw StoreError(.system(error.rawValue), "exec \(program): \(error)")
    }
  }
}
