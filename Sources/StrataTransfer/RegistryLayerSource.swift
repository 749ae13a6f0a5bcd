import StrataConfig
import StrataDistribution
import StrataImage
import StrataJSON
package import StrataLazy
import StrataModel
package import StrataRegistry
import StrataStore
import StrataSystem

/// Layers from registries: what `StrataLazy` asks for, by the client of `pull`.
///
/// A mirror's name is that of its repository. Mirrors and logins are those of registries.conf and
/// auth.json, read anew by whoever makes the client.
package final class RegistryLayerSource: LayerSource {
  private let client: RegistryClient

  package init(_ client: RegistryClient) {
    self.client = client
  }

  package func resolve(_ reference: String, deadline: UInt64) async throws(SourceError)
    -> ResolvedImage
  {
    let name = try parse(reference)
    let client = client
    let image = try await within(deadline, reference) {
      try await RemoteImage(anyOf: [name], Platform(), client: client)
    }
    let layers = image.manifest.layers.map { layer in
      var annotations: [String: String] = [:]
      for member in layer.json["annotations"]?.members ?? [] {
        annotations[member.name] = member.value.string
      }
      return LayerDescriptor(
        digest: layer.digest, size: layer.size, mediaType: layer.mediaType,
        annotations: annotations)
    }
    return ResolvedImage(
      reference: reference, manifestDigest: image.manifestDigest, manifest: image.manifest.bytes,
      config: image.config.bytes, layers: layers, diffIDs: image.config.diffIDs,
      mirror: image.places.first?.description ?? "")
  }

  package func fetch(_ request: RangeRequest) async throws(SourceError) -> FetchedRange {
    let blob = request.blob
    let places = try places(of: blob.reference, distrusted: request.distrusted)
    return try await within(request.deadline, "blob \(blob.digest)") {
      // A registry may come back while a program sits in read(2).
      var wait = Self.firstWait
      while true {
        var failure: (any Error)?
        for place in places {
          do {
            let bytes = try await place.bytes(of: blob.digest, request.range, size: blob.size)
            return FetchedRange(bytes: bytes, mirror: place.description)
          } catch {
            failure = failure ?? error
          }
        }
        let error = failure ?? RegistryError(.missing, "no place to read from")
        let isPassing =
          (error as? RegistryError).map { error in
            switch error.kind {
            case .unreachable: true
            case .status(let status): RetryRule.isPassing(status: status)
            default: false
            }
          } ?? false
        guard isPassing, request.deadline > monotonicNanoseconds() + UInt64(wait) * 1_000_000
        else { throw error }
        try await Task.sleep(for: .milliseconds(wait))
        wait = min(wait * 2, Self.longestWait)
      }
    }
  }

  /// Between rounds over all places, in milliseconds; each place waits for itself besides.
  private static let firstWait = 200
  private static let longestWait = 2000

  package func stream(
    _ blob: LayerBlob, from offset: Int64, urgency: FetchUrgency, distrusted: [String],
    _ consume: @escaping @Sendable ([UInt8]) async -> Bool
  ) async throws(SourceError) -> String {
    var part = BlobPart(blob.digest, size: blob.size, range: offset..<blob.size)
    var failure: (any Error)?
    for place in try places(of: blob.reference, distrusted: distrusted) {
      do {
        try await place.read(&part, pieces: consume)
        return place.description
      } catch {
        failure = failure ?? error
      }
    }
    throw Self.error(failure ?? RegistryError(.missing, "no place to read from"))
  }

  /// Where to read, in order: whoever has sent wrong bytes is asked when nobody else has any.
  private func places(
    of reference: String, distrusted: [String]
  ) throws(SourceError) -> [Repository] {
    let name = try parse(reference)
    do throws(ConfigurationError) {
      let places = try client.sources(of: name).map(\.repository)
      return places.filter { !distrusted.contains($0.description) }
        + places.filter { distrusted.contains($0.description) }
    } catch {
      throw SourceError(.blocked, error.description)
    }
  }

  private func parse(_ reference: String) throws(SourceError) -> Reference {
    do throws(Reference.InvalidReference) {
      return try Reference(normalizing: reference)
    } catch {
      throw SourceError(.badReference, error.description)
    }
  }

  /// Gives up when the time is over: what was begun is cancelled.
  private func within<Value: Sendable>(
    _ deadline: UInt64, _ what: String, _ body: @escaping @Sendable () async throws -> Value
  ) async throws(SourceError) -> Value {
    let now = monotonicNanoseconds()
    let left = deadline > now ? deadline - now : 0
    do {
      return try await withThrowingTaskGroup(of: Value.self) { group in
        group.addTask(operation: body)
        group.addTask {
          try await Task.sleep(for: .nanoseconds(Int64(clamping: left)))
          throw SourceError(.unreachable, "\(what): no answer in time")
        }
        defer { group.cancelAll() }
        guard let first = try await group.next() else {
          throw SourceError(.unreachable, "\(what): stopped")
        }
        return first
      }
    } catch {
      throw Self.error(error)
    }
  }

  private static func error(_ error: any Error) -> SourceError {
    switch error {
    case let error as SourceError: return error
    case let error as RegistryError:
      let kind: SourceError.Kind =
        switch error.kind {
        case .missing: .notFound
        case .denied: .unauthorized
        case .refused: .blocked
        case .malformed: .wrongRange
        case .unreachable, .status: .unreachable
        }
      return SourceError(kind, error.description)
    case let error as ConfigurationError: return SourceError(.blocked, error.description)
    case let error as StoreError: return SourceError(.malformed, error.message)
    default: return SourceError(.unreachable, "\(error)")
    }
  }
}
