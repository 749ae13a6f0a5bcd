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
    let progress = order.access.progress.map { PullProgress($0, downloads) }
    do throws(StoreError) {
      let record = try importImage(
        source(image, downloads), into: store, progress: progress, keepsBlobs: order.keepsBlobs)
      downloads.stop(done: Set(layers.indices), keeping: true)
      return .success(record)
    } catch {
      let isContent = error.code == .stream && !downloads.hasFailed
      downloads.stop(done: [], keeping: !isContent)
      guard isContent else { throw error }
      return .failure(error)
    }
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
    var source = SourceImage(
      location: image.reference.description, config: image.config,
      configDigest: image.manifest.config.digest, layers: layers,
      manifest: .given(image.manifest.bytes, image.manifestDigest), index: image.index,
      names: [image.reference.description])
    source.begin = { (numbers) throws(StoreError) in try downloads.start(numbers) }
    source.stop = { downloads.cancel() }
    return source
  }
}

/// Shows what has come from the registry rather than what has been unpacked, and of all layers at once.
private final class PullProgress: TransferProgress {
  private let shown: any TransferProgress
  private let downloads: Downloads
  private var started: Set<Int> = []
  private var finished: Set<Int> = []
  private var received: [Int: Int64] = [:]

  init(_ shown: any TransferProgress, _ downloads: Downloads) {
    self.shown = shown
    self.downloads = downloads
  }

  func report(_ event: TransferEvent) {
    switch event {
    case .started(let number): start(number)
    case .advanced: update()
    case .finished(let number), .skipped(let number):
      finished.insert(number)
      shown.report(event)
    case .planned, .finishing: shown.report(event)
    }
  }

  private func start(_ number: Int) {
    if started.insert(number).inserted { shown.report(.started(number)) }
  }

  /// What has come since the last look.
  private func update() {
    for (number, bytes) in downloads.reached.enumerated()
    where bytes > received[number] ?? 0 && !finished.contains(number) {
      received[number] = bytes
      start(number)
      shown.report(.advanced(number, bytes: bytes))
    }
  }
}
