import StrataCommands
import StrataImage
import StrataModel
import StrataRegistry
import StrataStore
import StrataSystem

/// One image on its way from a registry into a store.
struct Pull {
  let order: PullOrder
  let client: RegistryClient
  let store: Store

  /// Reads the image; where that fails nothing of it stays behind but blobs that the next pull may go on
  /// with.
  func run() throws -> ImageRecord {
    let platform = platform
    let (name, client) = (order.image, client)
    let image = try waiting { try await RemoteImage(name, platform, client: client) }
    if !platform.matches(image.config) {
      order.access.warn(
        "\(image.reference): it is of the platform \(image.config.platform), not \(platform)")
    }
    let folder = BlobFolder(
      state: order.stateDirectory.map { RawPath($0) }, order.access.surroundings)
    switch try attempt(image, image.places, folder) {
    case .success(let record): return record
    case .failure(let error):
      // What an earlier pull left may be damaged, and a mirror may hold something else: once more.
      order.access.warn("\(error.message): reading it once more")
      let others = image.places.dropFirst() + image.places.prefix(1)
      return try attempt(image, Array(others), folder).get()
    }
  }

  private var platform: Platform {
    var platform = Platform()
    if let name = order.operatingSystem { platform.operatingSystem = name }
    if let name = order.architecture { platform.architecture = name }
    platform.variant = order.variant
    return platform
  }

  /// Throws what another attempt would not better; content that is not what was promised is a failure.
  private func attempt(_ image: RemoteImage, _ places: [Repository], _ folder: BlobFolder)
    throws(StoreError) -> Result<ImageRecord, StoreError>
  {
    let layers = image.manifest.layers
    let downloads = Downloads(layers, from: places, folder: folder)
    let progress = order.access.progress.map { PullProgress($0, layers: layers.count) }
    downloads.onProgress = { progress?.received($0, $1) }
    do throws(StoreError) {
      try downloads.start(try missing(image))
      let record = try importImage(
        source(image, downloads), into: store, progress: progress)
      downloads.stop(done: Set(layers.indices), keeping: true)
      return .success(record)
    } catch {
      let isContent = error.code == .stream && !downloads.hasFailed
      downloads.stop(done: progress?.finished ?? [], keeping: !isContent)
      guard isContent else { throw error }
      return .failure(error)
    }
  }

  /// The layers that the store does not have, by their ids.
  private func missing(_ image: RemoteImage) throws(StoreError) -> [Int] {
    let present = Set(try store.layers().filter { !$0.isIncomplete }.map(\.id))
    let ids = layerIDs(diffIDs: image.config.diffIDs)
    return ids.indices.filter { !present.contains(ids[$0]) }
  }

  private func source(_ image: RemoteImage, _ downloads: Downloads) -> SourceImage {
    let layers = image.manifest.layers.indices.map { number in
      let descriptor = image.manifest.layers[number]
      return SourceLayer(
        digest: descriptor.digest, size: descriptor.size,
        expected: LayerExpectation(
          diffID: image.config.diffIDs[number], compressedDigest: descriptor.digest,
          compressedSize: descriptor.size)
      ) { () throws(StoreError) in try downloads.source(number) }
    }
    return SourceImage(
      location: image.reference.description, config: image.config,
      configDigest: image.manifest.config.digest, layers: layers,
      manifest: .given(image.manifest.bytes, image.manifestDigest), index: image.index,
      names: [image.reference.description])
  }
}

/// Shows what has come from the registry rather than what has been unpacked, and of all layers at once.
private final class PullProgress: TransferProgress {
  private let shown: any TransferProgress
  private var started: Set<Int> = []
  /// The layers that are in the store.
  private(set) var finished: Set<Int> = []
  private var received: [Int64]

  init(_ shown: any TransferProgress, layers: Int) {
    self.shown = shown
    received = Array(repeating: 0, count: layers)
  }

  /// So much of a blob is here.
  func received(_ number: Int, _ bytes: Int64) {
    guard bytes > received[number], !finished.contains(number) else { return }
    received[number] = bytes
    if started.insert(number).inserted { shown.report(.started(number)) }
    shown.report(.advanced(number, bytes: bytes))
  }

  func report(_ event: TransferEvent) {
    switch event {
    case .started(let number):
      if started.insert(number).inserted { shown.report(event) }
    case .advanced: break
    case .finished(let number), .skipped(let number):
      finished.insert(number)
      shown.report(event)
    case .planned, .finishing: shown.report(event)
    }
  }
}
