import StrataJSON
package import StrataModel
package import StrataStore
package import StrataSystem

/// An image that has been found outside a store and whose layers have yet to be read.
package struct SourceImage {
  /// Where it lies, for messages.
  package var location: String
  package var config: ImageConfig
  package var configDigest: Digest
  /// One for each diff ID of the config, lowest first.
  package var layers: [SourceLayer]
  package var manifest: SourceManifest
  /// The index that led to the manifest, if one did, with its digest.
  package var index: (bytes: [UInt8], digest: Digest)?
  /// The names that the source gives it, in normal form.
  package var names: [String]
  /// What of the source could not be taken over, in lines for people.
  package var warnings: [String] = []
  /// Called with the numbers of the layers that are going to be opened, before the first is.
  package var begin: ([Int]) throws(StoreError) -> Void = { (_) throws(StoreError) in }
  /// Called when one layer has failed: what others wait for need not come any more.
  package var stop: () -> Void = {}

  package init(
    location: String, config: ImageConfig, configDigest: Digest, layers: [SourceLayer],
    manifest: SourceManifest, index: (bytes: [UInt8], digest: Digest)?, names: [String],
    warnings: [String] = []
  ) {
    self.location = location
    self.config = config
    self.configDigest = configDigest
    self.layers = layers
    self.manifest = manifest
    self.index = index
    self.names = names
    self.warnings = warnings
  }
}

/// One layer of an image outside a store.
package struct SourceLayer: Sendable {
  /// The blob's digest where the source names one, else the diff ID.
  package var digest: Digest
  package var size: Int64?
  /// What the blob must turn out to be.
  package var expected: LayerExpectation
  /// Opens the blob, on the thread that reads it.
  package var open: @Sendable () throws(StoreError) -> any ByteSource

  package init(
    digest: Digest, size: Int64?, expected: LayerExpectation,
    open: @escaping @Sendable () throws(StoreError) -> any ByteSource
  ) {
    self.digest = digest
    self.size = size
    self.expected = expected
    self.open = open
  }
}

/// Where the manifest of an image comes from.
package enum SourceManifest {
  /// The source has one.
  case given([UInt8], Digest)
  /// The source has none, and it is made of the layers as they are in the store.
  case dockerArchive
}

extension ImageSource {
  /// Finds the image and reads everything of it but the layers.
  func locate(_ options: ImportOptions) throws(StoreError) -> SourceImage {
    switch self {
    case .ociLayout(let path, let tag):
      return try locateInLayout(FolderFiles(path), tag: tag)
    case .ociArchive(let path, let tag):
      return try locateInLayout(openTar(path, options), tag: tag)
    case .dockerArchive(let path, let reference):
      return try locateInDockerArchive(openTar(path, options), reference: reference)
    case .layerTar(let path):
      return try locateLayerTar(path, options)
    case .detect(let path):
      return try detect(path, options)
    }
  }

  /// A folder is a layout; a tar is what its files say, and the form that keeps more is taken where
  /// it is both, as `docker save` of today writes it (podman 4.3 does the same, measured).
  private func detect(_ path: RawPath, _ options: ImportOptions) throws(StoreError) -> SourceImage {
    if path == "-" {
      return try detectTar(spoolStandardInput(options), path, options)
    }
    let status = try calling("open \(path)") { () throws(Errno) in
      try FileDescriptor.workingDirectory.status(of: path, follow: true)
    }
    if status.type == .directory {
      let files = try FolderFiles(path)
      guard try files.open("index.json") != nil else {
        throw malformed("\(path): this folder is no OCI image layout: it has no index.json")
      }
      return try locateInLayout(files, tag: nil)
    }
    return try detectTar(openFile(path), path, options)
  }

  private func detectTar(_ file: SharedDescriptor, _ path: RawPath, _ options: ImportOptions)
    throws(StoreError) -> SourceImage
  {
    let location = locationName(path)
    let plain = try decompressed(file, location: location, options)
    let files: TarFiles
    do throws(StoreError) {
      files = try TarFiles(plain, location: location)
    } catch {
      // A layer may hold what the archives of images do not, sparse files for one.
      guard error.message.contains("sparse") else { throw error }
      return try locateLayerTar(file, location: location, options)
    }
    if files.contains("index.json"), files.contains("oci-layout") {
      return try locateInLayout(files, tag: nil)
    }
    if files.contains("manifest.json") {
      return try locateInDockerArchive(files, reference: nil)
    }
    return try locateLayerTar(file, location: location, options)
  }
}

/// Brings the names that a source gives to normal form; what is no name is left out.
func normalized(_ names: [String]) -> [String] {
  Identifiers.deduplicated(names.compactMap { try? Reference(normalizing: $0).description })
}
