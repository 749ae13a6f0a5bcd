import StrataConfig
import StrataDigest
import StrataDistribution
import StrataImage
import StrataJSON
import StrataModel
import StrataRegistry
import StrataStore

/// An image at a registry of which everything is read but its layers.
struct RemoteImage: Sendable {
  /// The name under which the store will know it.
  let reference: Reference
  /// Where its blobs may be read, in order; the first one gave the manifest.
  let places: [Repository]
  let manifest: Manifest
  let manifestDigest: Digest
  let index: (bytes: [UInt8], digest: Digest)?
  let config: ImageConfig

  /// Finds the image that a person has named.
  ///
  /// Of several that a short name may mean the first that there is; of mirrors the first that has it.
  init(_ name: String, _ platform: Platform, client: RegistryClient) async throws {
    try await self.init(
      anyOf: try client.configuration.candidates(for: name), platform, client: client)
  }

  /// Finds the first of these images that there is.
  init(anyOf references: [Reference], _ platform: Platform, client: RegistryClient) async throws {
    var failures: [RegistryError] = []
    for reference in references {
      let sources = try client.sources(of: reference)
      for (number, source) in sources.enumerated() {
        do {
          let first = try await source.repository.manifest(source.reference)
          let places = (sources[number...] + sources[..<number]).map(\.repository)
          try await self.init(reference, first, places, platform)
          return
        } catch let error as RegistryError {
          failures.append(error)
        }
      }
    }
    // Of several places the first one's failure is the likelier to be understood.
    throw RegistryError(
      failures.first?.kind ?? .missing,
      failures.map(\.description).joined(separator: "; "))
  }

  private init(
    _ reference: Reference, _ first: RemoteManifest, _ places: [Repository], _ platform: Platform
  ) async throws {
    self.reference = reference
    self.places = places
    let what = reference.description
    var current = first
    var outer: (bytes: [UInt8], digest: Digest)?
    var depth = 0
    while let entries = try Self.entries(of: current, what) {
      guard depth < 8 else { throw malformed("\(what): indexes are nested too deep") }
      depth += 1
      if outer == nil { outer = (current.bytes, Self.recorded(current)) }
      guard let chosen = platform.choose(entries) else {
        let all = entries.map { Self.platform(of: $0) }.joined(separator: ", ")
        throw StoreError(.usage, "\(what): no image for \(platform); platforms: \(all)")
      }
      let digest = chosen.digest
      current = try await Self.anywhere(places) { try await $0.manifest(digest) }
      guard Int64(current.bytes.count) == chosen.size else {
        throw malformed(
          "\(what): manifest \(digest) has \(current.bytes.count) bytes, not \(chosen.size)")
      }
      if current.mediaType.isEmpty { current.mediaType = chosen.mediaType }
    }
    manifest = try Manifest(
      current.bytes, mediaType: Self.knownType(current.mediaType), what: "\(what): manifest")
    manifestDigest = Self.recorded(current)
    index = outer
    config = try await Self.config(manifest, places, what)
  }

  /// The entries of an index, nil for a manifest of one image.
  private static func entries(of manifest: RemoteManifest, _ what: String) throws(StoreError)
    -> [Descriptor]?
  {
    let json = try parseJSON(manifest.bytes, what: "\(what): manifest")
    let type = json["mediaType"]?.string ?? manifest.mediaType
    let isIndex = MediaType.indexes.contains(type)
    guard isIndex || (json["mediaType"] == nil && json["config"] == nil) else { return nil }
    guard let list = json["manifests"]?.array else {
      if isIndex { throw malformed("\(what): an index without manifests") }
      return nil
    }
    var entries: [Descriptor] = []
    for entry in list { entries.append(try Descriptor(entry, what: "\(what): index")) }
    return entries
  }

  /// A store knows manifests by SHA-256, whatever they were asked for by.
  private static func recorded(_ manifest: RemoteManifest) -> Digest {
    manifest.digest.algorithm == .sha256 ? manifest.digest : Digester.digest(of: manifest.bytes)
  }

  /// Servers of plain files have types of their own; then the bytes must say what they are.
  private static func knownType(_ type: String) -> String {
    MediaType.manifests.contains(type) ? type : ""
  }

  private static func platform(of entry: Descriptor) -> String {
    let platform = entry.json["platform"]
    return "\(platform?["os"]?.string ?? "?")/\(platform?["architecture"]?.string ?? "?")"
  }

  private static func config(_ manifest: Manifest, _ places: [Repository], _ what: String)
    async throws -> ImageConfig
  {
    let descriptor = manifest.config
    let limit: Int64 = 32 << 20
    guard descriptor.digest.algorithm == .sha256 else {
      throw StoreError(
        .notSupported,
        "\(what): the config has the digest \(descriptor.digest): the container tools take SHA-256 "
          + "alone there")
    }
    guard descriptor.size <= limit else {
      throw malformed("\(what): config has \(descriptor.size) bytes: too large")
    }
    let (digest, size) = (descriptor.digest, descriptor.size)
    let bytes = try await anywhere(places) { place in
      let bytes = try await place.bytes(of: digest, 0..<size, size: size)
      guard Digester.digest(of: bytes) == digest else {
        throw RegistryError(.malformed, "\(place.description): config \(digest) holds other bytes")
      }
      return bytes
    }
    let config = try ImageConfig(bytes, what: "\(what): config \(digest)")
    guard config.diffIDs.count == manifest.layers.count else {
      throw malformed(
        "\(what): config \(digest) has \(config.diffIDs.count) diff IDs for "
          + "\(manifest.layers.count) layers")
    }
    return config
  }

  /// Asks one place after the other until one has an answer.
  private static func anywhere<Value: Sendable>(
    _ places: [Repository], _ body: @Sendable (Repository) async throws -> Value
  ) async throws -> Value {
    var failure: (any Error)?
    for place in places {
      do { return try await body(place) } catch { failure = failure ?? error }
    }
    throw failure ?? RegistryError(.missing, "no place to read from")
  }
}

/// Something in an image that is not as the formats demand.
func malformed(_ message: String) -> StoreError { StoreError(.stream, message) }
