import StrataCommands
import StrataConfig
import StrataDigest
import StrataDistribution
import StrataImage
import StrataModel
import StrataRegistry
import StrataStore
import StrataSystem

/// One image on its way from a store to a registry.
struct Push {
  let order: PushOrder
  let client: RegistryClient
  let store: Store

  /// A layer as the registry will have it.
  private typealias Layer = (blob: WrittenBlob, compression: Compression)

  /// Sends what the registry lacks, the manifest last, and returns the manifest's digest.
  func run() throws -> Digest {
    let image = try StoredImage(order.image, in: store)
    let name = try target(image)
    let (repository, reference) = try client.destination(of: name)
    let progress = order.access.progress.map { PushProgress($0) }
    progress?.report(.planned(plan(image)))
    let uploads = Uploads(to: repository)
    var layers: [Layer] = []
    for number in image.layers.indices {
      if let layer = try present(number, of: image, at: repository, name) {
        progress?.report(.skipped(number))
        layers.append(layer)
      } else {
        layers.append(try upload(number, of: image, uploads, name, progress))
      }
    }
    try uploads.finish { progress?.sent($0) }
    progress?.report(.finishing)
    if order.compression == nil, let text = image.changedBlobs(layers.map(\.blob)) {
      order.access.warn(text)
    }
    try putConfig(image, repository)
    let manifest = image.manifest(layers: layers)
    let (bytes, mediaType) = (manifest.bytes, manifest.mediaType)
    try waiting { try await repository.putManifest(bytes, mediaType: mediaType, as: reference) }
    return Digester.digest(of: bytes)
  }

  /// The name at the registry: the one given, else the image's own.
  private func target(_ image: StoredImage) throws -> Reference {
    if let given = order.destination {
      return try client.configuration.destinationReference(given)
    }
    guard let own = image.name(askedFor: order.image) ?? image.record.names.first
    else {
      throw StoreError(
        .usage, "image \(image.record.id.prefix(12)) has no name: say where it goes")
    }
    return try client.configuration.destinationReference(own)
  }

  private func plan(_ image: StoredImage) -> [TransferLayer] {
    image.layers.enumerated().map { number, layer in
      TransferLayer(
        digest: blob(number, of: image)?.digest ?? image.config.diffIDs[number],
        size: layer.diffSize)
    }
  }

  /// The compressed blob of a layer as it came, if the manifest still describes it.
  private func blob(_ number: Int, of image: StoredImage) -> Descriptor? {
    let record = image.layers[number]
    guard let manifest = image.manifest, manifest.layers.indices.contains(number),
      record.compression == .gzip || record.compression == .zstd,
      record.compressedDigest == manifest.layers[number].digest
    else { return nil }
    return manifest.layers[number]
  }

  /// A layer whose blob, as it came, the registry has already or can have of a repository of its own.
  private func present(
    _ number: Int, of image: StoredImage, at repository: Repository, _ name: Reference
  ) throws -> Layer? {
    guard let blob = blob(number, of: image) else { return nil }
    let compression = image.layers[number].compression
    if let wanted = order.compression, wanted != compression { return nil }
    let others = try neighbours(of: image.layers[number].id, name)
    let digest = blob.digest
    let isThere = try waiting { try await repository.hasBlob(digest, orOneOf: others) }
    return isThere ? (WrittenBlob(digest: digest, size: blob.size), compression) : nil
  }

  /// Repositories of the same registry from which images with this layer have come, at most three.
  private func neighbours(of layer: String, _ name: Reference) throws -> [String] {
    var found: [String] = []
    for image in try store.images() {
      let references = (image.names + image.namesHistory).compactMap {
        try? Reference(normalizing: $0)
      }
      let near = references.filter { $0.domain == name.domain && $0.path != name.path }
      if near.isEmpty || near.allSatisfy({ found.contains($0.path) }) { continue }
      guard try StoredImage.chain(image.layer, in: store).contains(where: { $0.id == layer })
      else { continue }
      for reference in near where !found.contains(reference.path) { found.append(reference.path) }
      if found.count >= 3 { return Array(found.prefix(3)) }
    }
    return found
  }

  /// Compresses a layer into a file and begins to send it; a lazy one goes as the blob it came as,
  /// unless another compression is asked for.
  private func upload(
    _ number: Int, of image: StoredImage, _ uploads: Uploads, _ name: Reference,
    _ progress: PushProgress?
  ) throws -> Layer {
    let recorded = blob(number, of: image) == nil ? nil : image.layers[number].compression
    let compression = order.compression ?? recorded ?? .gzip
    let spool = try Spool(in: RawPath(order.access.surroundings["TMPDIR"] ?? "/var/tmp"))
    var original: Layer?
    if order.compression == nil {
      original = try image.writeOriginalBlob(number, to: spool, progress: progress)
    }
    if original == nil, order.compression == nil, recorded != nil {
      original = try image.writeSameBlob(number, to: spool, progress: progress)
        .map { ($0, compression) }
    }
    let layer =
      try original
      ?? (image.writeLayer(number, compression, to: spool, progress: progress), compression)
    let others = try neighbours(of: image.layers[number].id, name)
    try uploads.start(number, layer.blob, spool.contents, others) { progress?.sent($0) }
    return layer
  }

  private func putConfig(_ image: StoredImage, _ repository: Repository) throws {
    let (digest, bytes) = (image.configDigest, image.config.bytes)
    let spool = try Spool(in: RawPath(order.access.surroundings["TMPDIR"] ?? "/var/tmp"))
    try spool.write(bytes.rawSpan)
    let file = spool.contents
    try waiting {
      if try await repository.hasBlob(digest) { return }
      try await repository.upload(digest, file, size: Int64(bytes.count)) { _ in }
    }
  }
}

/// Blobs on their way to a repository, a few at a time.
private final class Uploads {
  private let repository: Repository
  private var running: [(number: Int, end: WaitingRoom<Result<Void, any Error>?>)] = []

  /// More would only hold more files.
  private static let parallel = 4

  init(to repository: Repository) {
    self.repository = repository
  }

  /// Begins to send a blob, unless the repository has it; waits for earlier ones where there are many.
  func start(
    _ number: Int, _ blob: WrittenBlob, _ file: SharedDescriptor, _ others: [String],
    _ sent: (Int) -> Void
  ) throws {
    while running.count >= Self.parallel { try finishFirst(sent) }
    let end = WaitingRoom<Result<Void, any Error>?>(nil)
    let repository = repository
    Task.detached {
      let result: Result<Void, any Error>
      do {
        if try await !repository.hasBlob(blob.digest, orOneOf: others) {
          try await repository.upload(blob.digest, file, size: blob.size) { _ in }
        }
        result = .success(())
      } catch {
        result = .failure(error)
      }
      end.change { $0 = result }
    }
    running.append((number, end))
  }

  /// Waits for all.
  func finish(_ sent: (Int) -> Void) throws {
    while !running.isEmpty { try finishFirst(sent) }
  }

  private func finishFirst(_ sent: (Int) -> Void) throws {
    let (number, end) = running.removeFirst()
    try end.wait { $0 }.get()
    sent(number)
  }
}

extension Repository {
  /// Whether the repository has a blob, or has got it now from one of others at the same registry.
  fileprivate func hasBlob(_ digest: Digest, orOneOf others: [String]) async throws -> Bool {
    if try await hasBlob(digest) { return true }
    for other in others where try await mount(digest, from: other) { return true }
    return false
  }
}

/// A layer is done when the registry has it, not when it is compressed.
private final class PushProgress: TransferProgress {
  private let shown: any TransferProgress

  init(_ shown: any TransferProgress) {
    self.shown = shown
  }

  func sent(_ number: Int) { shown.report(.finished(number)) }

  func report(_ event: TransferEvent) {
    if case .finished = event { return }
    shown.report(event)
  }
}
