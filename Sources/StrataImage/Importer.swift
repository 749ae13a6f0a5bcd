import StrataDigest
public import StrataModel
public import StrataStore
public import StrataSystem

/// How an image is imported.
public struct ImportOptions {
  /// Names for the image, brought to podman's normal form; none: those that the source has.
  public var names: [String] = []
  /// A comment for the history of an image that is made of a plain layer tar.
  public var message: String?
  /// Changes to the config of such an image, as `CMD ["/bin/sh"]`.
  public var changes: [String] = []
  /// The folder for temporary files: standard input and compressed archives.
  public var temporaryDirectory: RawPath = "/var/tmp"
  /// Told of each step.
  public var progress: (any TransferProgress)?
  /// Whether the compressed blobs of layers that are read are kept beside them, so that the image can be
  /// given out as it came.
  public var keepsBlobs = false

  /// Everything as it comes.
  public init() {}
}

/// Reads an image into a store and returns its record.
///
/// Every blob's digest and size and every diff ID is verified while it is read; a layer that the
/// store has complete is not read at all. On failure no layer that was made here and that nothing
/// else uses stays behind.
public func importImage(
  _ source: ImageSource, into store: Store, options: ImportOptions = ImportOptions()
) throws(StoreError) -> ImageRecord {
  let names = try options.names.map { name throws(StoreError) in try imageName(name) }
  let image = try source.locate(options)
  if names.isEmpty { for warning in image.warnings { store.configuration.onWarning?(warning) } }
  let importer = Importer(
    store: store, image: image, progress: options.progress, keepsBlobs: options.keepsBlobs)
  return try Interruption.puttingOff { () throws(StoreError) in
    try importer.run(names: names.isEmpty ? image.names : names)
  }
}

/// Reads an image that has been found already, under the names that it has.
///
/// As `importImage(_:into:options:)`; names by digest are taken as they are.
package func importImage(
  _ image: SourceImage, into store: Store, progress: (any TransferProgress)?,
  keepsBlobs: Bool = false
) throws(StoreError) -> ImageRecord {
  let importer = Importer(
    store: store, image: image, progress: progress, keepsBlobs: keepsBlobs)
  return try Interruption.puttingOff { () throws(StoreError) in
    try importer.run(names: image.names)
  }
}

/// Brings an image name to podman's normal form: `two` is `localhost/two:latest`.
public func normalizedReference(_ name: String) throws(StoreError) -> String {
  do throws(Reference.InvalidReference) {
    return try Reference(normalizing: name).description
  } catch {
    throw StoreError(.usage, error.description)
  }
}

/// A name for a new image, in normal form.
func imageName(_ name: String) throws(StoreError) -> String {
  let normal = try normalizedReference(name)
  guard !normal.contains("@") else {
    throw StoreError(.usage, "\(name): tag by digest not supported")
  }
  return normal
}

extension Store {
  /// Takes layers away that could not be made use of; gives back why they could not be, which also
  /// says what stays because that fails.
  func discard(_ made: [LayerRecord], after error: StoreError) -> StoreError {
    if made.isEmpty { return error }
    var result = error
    Interruption.undo {
      do throws(StoreError) {
        try deleteUnused(made)
      } catch let second {
        let ids = made.map { String($0.id.prefix(12)) }.joined(separator: ", ")
        // The same lock most likely, which was told of.
        let reason = second.code == error.code ? "" : " (\(second))"
        result = StoreError(
          error.code, "\(error); layers that were made stay, unused, for a prune: \(ids)\(reason)")
      }
    }
    return result
  }
}

/// One import: layers first, then the image's own items, then its names.
private final class Importer {
  private let store: Store
  private let image: SourceImage
  private let progress: (any TransferProgress)?
  private let keepsBlobs: Bool
  /// The layers that this import has made, lowest first.
  private var made: [LayerRecord] = []

  init(
    store: Store, image: SourceImage, progress: (any TransferProgress)?, keepsBlobs: Bool
  ) {
    self.store = store
    self.image = image
    self.progress = progress
    self.keepsBlobs = keepsBlobs
  }

  func run(names: [String]) throws(StoreError) -> ImageRecord {
    // Layers of an image that could not be recorded need not be made.
    try store.awaitImages()
    do throws(StoreError) {
      // A layer that was there goes if another import that had made it fails: then it is read here.
      for _ in 0..<4 {
        do throws(StoreError) { return try attempt(names) } catch {
          guard error.code == .layerUnknown else { throw error }
        }
      }
      return try attempt(names)
    } catch {
      throw store.discard(made, after: error)
    }
  }

  private func attempt(_ names: [String]) throws(StoreError) -> ImageRecord {
    let layers = try importLayers()
    progress?.report(.finishing)
    let manifest = try manifest(layers)
    let content = ImageContent(
      config: image.config, configDigest: image.configDigest, manifest: manifest.bytes,
      manifestDigest: manifest.digest, index: image.index, layer: layers.last?.id)
    return try store.write(content, names: names)
  }

  private func importLayers() throws(StoreError) -> [LayerRecord] {
    progress?.report(
      .planned(image.layers.map { TransferLayer(digest: $0.digest, size: $0.size) }))
    let ids = layerIDs(diffIDs: image.config.diffIDs)
    let layers = try store.stage(
      ids.indices.map { number in
        var creation = LayerCreation(
          id: ids[number], parent: number == 0 ? nil : ids[number - 1], isReadOnly: true)
        creation.keptPart = keepsBlobs ? .whole : .signs
        return creation
      })
    let missing = layers.missing
    for number in ids.indices where !missing.contains(number) { progress?.report(.skipped(number)) }
    try image.begin(missing)
    try fill(layers, missing)
    let outcome = try layers.commit()
    made += outcome.filter(\.isNew).map(\.record)
    return outcome.map(\.record)
  }

  /// Reads layers side by side, as many as there are cores.
  private func fill(_ layers: StagedLayers, _ missing: [Int]) throws(StoreError) {
    let sources = missing.map { image.layers[$0] }
    let location = image.location
    let progress = progress
    let stop = image.stop
    try runSideBySide(missing.count, threads: layers.preferredThreads) { piece, mark, report in
      let (number, source) = (missing[piece], sources[piece])
      report(.started(number))
      do throws(StoreError) {
        try layers.fill(
          number, content: StoppableSource(try source.open(), mark), expected: source.expected
        ) { report(.advanced(number, bytes: $0)) }
        report(.finished(number))
        return nil
      } catch {
        // Messages of the source itself say already what and where.
        if error.message.hasPrefix(location) { return error }
        let isNamed = error.message.contains(source.digest.hex)
        return error.wrapped(location + (isNamed ? ": layer" : ": layer \(source.digest)"))
      }
    } onReport: { (event: TransferEvent) in
      progress?.report(event)
    } onFailure: {
      stop()
    } noThread: { error in
      systemError(error, "start a thread")
    }
  }

  private func manifest(_ layers: [LayerRecord]) throws(StoreError) -> (
    bytes: [UInt8], digest: Digest
  ) {
    switch image.manifest {
    case .given(let bytes, let digest):
      return (bytes, digest)
    case .dockerArchive:
      let config = Descriptor(
        mediaType: MediaType.dockerConfig, digest: image.configDigest,
        size: Int64(image.config.bytes.count))
      let descriptors = zip(layers, image.config.diffIDs).map { record, diffID in
        Descriptor(mediaType: MediaType.dockerLayerGzip, digest: diffID, size: record.diffSize)
      }
      let bytes = Manifest.docker(config: config, layers: descriptors)
      return (bytes, Digester.digest(of: bytes))
    }
  }
}

/// A source that ends with an error once nobody wants what it gives.
private final class StoppableSource: ByteSource {
  private let source: any ByteSource
  private let mark: StopMark

  init(_ source: any ByteSource, _ mark: StopMark) {
    self.source = source
    self.mark = mark
  }

  func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    if mark.isStopped { throw StreamError(.interrupted, "stopped: another layer has failed") }
    return try source.read(into: &span)
  }
}
