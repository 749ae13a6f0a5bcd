import StrataDigest
import StrataJSON
import StrataModel
import StrataStore
import StrataSystem

/// Annotations that name an image in an index.
enum Annotation {
  static let referenceName = "org.opencontainers.image.ref.name"
  /// The full name, which containerd and Docker write beside the tag alone.
  static let containerdName = "io.containerd.image.name"
}

/// Finds an image in an OCI image layout and reads its manifest and config.
func locateInLayout(_ files: any ImageFiles, tag: String?) throws(StoreError) -> SourceImage {
  let reader = LayoutReader(files: files)
  try reader.checkVersion()
  let index = try reader.index()
  let chosen = try reader.choose(index, tag: tag)
  let names = reader.names(chosen, tag: tag)
  let (manifest, digest, outer) = try reader.resolve(chosen)
  guard manifest.config.digest.algorithm == .sha256 else {
    // The id of an image is this digest, and podman 4.3 and skopeo refuse another (measured).
    throw StoreError(
      .notSupported,
      "\(files.location): the config has the digest \(manifest.config.digest): "
        + "the container tools take SHA-256 alone there")
  }
  let configBytes = try reader.blob(manifest.config, what: "config")
  let what = "\(files.location): config \(manifest.config.digest)"
  let config = try ImageConfig(configBytes, what: what)
  guard config.diffIDs.count == manifest.layers.count else {
    throw malformed(
      "\(what) has \(config.diffIDs.count) diff IDs for \(manifest.layers.count) layers")
  }
  let layers = zip(manifest.layers, config.diffIDs).map { descriptor, diffID in
    SourceLayer(
      digest: descriptor.digest, size: descriptor.size,
      expected: LayerExpectation(
        diffID: diffID, compressedDigest: descriptor.digest, compressedSize: descriptor.size)
    ) { () throws(StoreError) -> any ByteSource in
      try reader.open(descriptor, what: "layer")
    }
  }
  return SourceImage(
    location: files.location, config: config, configDigest: manifest.config.digest,
    layers: layers, manifest: .given(manifest.bytes, recorded(digest, manifest.bytes)),
    index: outer.map { ($0.bytes, recorded($0.digest, $0.bytes)) }, names: names)
}

/// The digest that a store keeps of a manifest or an index: SHA-256 whatever the layout names it by,
/// as podman 4.3 and skopeo do (measured).
private func recorded(_ digest: Digest, _ bytes: [UInt8]) -> Digest {
  digest.algorithm == .sha256 ? digest : Digester.digest(of: bytes)
}

/// Reads the files of one OCI image layout.
private struct LayoutReader {
  let files: any ImageFiles

  /// Layouts of another major version would be laid out otherwise.
  ///
  /// A missing file is let pass, as the Go tools do.
  func checkVersion() throws(StoreError) {
    guard let bytes = try files.contents("oci-layout", limit: 1 << 20) else { return }
    let json = try parseJSON(bytes, what: "\(files.location): oci-layout")
    guard let version = json["imageLayoutVersion"]?.string, version.hasPrefix("1.") else {
      throw StoreError(
        .notSupported, "\(files.location): unsupported version of the OCI image layout")
    }
  }

  func index() throws(StoreError) -> [Descriptor] {
    guard let bytes = try files.contents("index.json") else {
      throw malformed("\(files.location) is no OCI image layout: it has no index.json")
    }
    return try descriptors(bytes, what: "\(files.location): index.json")
  }

  private func descriptors(_ bytes: [UInt8], what: String) throws(StoreError) -> [Descriptor] {
    let json = try parseJSON(bytes, what: what)
    guard let manifests = json["manifests"]?.array else { throw malformed("\(what): no manifests") }
    var result: [Descriptor] = []
    for entry in manifests { result.append(try Descriptor(entry, what: what)) }
    return result
  }

  /// The image of that tag; without one the only image there is.
  func choose(_ index: [Descriptor], tag: String?) throws(StoreError) -> Descriptor {
    let tags = Identifiers.deduplicated(
      index.compactMap { $0.annotation(Annotation.referenceName) })
    let list = tags.isEmpty ? "none" : tags.joined(separator: ", ")
    if let tag {
      let names = [Annotation.referenceName, Annotation.containerdName]
      if let found = names.lazy.compactMap({ name in
        index.first { $0.annotation(name) == tag }
      }).first {
        return found
      }
      throw StoreError(
        .usage, "\(files.location): no image with the tag \(quoted(tag)); tags: \(list)")
    }
    guard let first = index.first else {
      throw malformed("\(files.location): index.json lists no image")
    }
    if index.allSatisfy({ $0.digest == first.digest }) { return first }
    // One image for several platforms may lie here without an index of its own.
    if tags.count < 2, let found = forThisPlatform(index) { return found }
    throw StoreError(
      .usage, "\(files.location): more than one image, choose one by its tag; tags: \(list)")
  }

  /// The one entry for linux on this processor, or the only one that does not say.
  private func forThisPlatform(_ entries: [Descriptor]) -> Descriptor? {
    let matching = entries.filter { entry in
      guard let platform = entry.json["platform"] else { return false }
      return platform["os"]?.string == "linux"
        && platform["architecture"]?.string == hostArchitecture
    }
    if let first = matching.first { return first }
    let silent = entries.filter { $0.json["platform"] == nil }
    return silent.count == 1 ? silent[0] : nil
  }

  /// Follows indexes down to a manifest; the outermost index is kept too.
  func resolve(_ descriptor: Descriptor) throws(StoreError)
    -> (Manifest, Digest, (bytes: [UInt8], digest: Digest)?)
  {
    var descriptor = descriptor
    var outer: (bytes: [UInt8], digest: Digest)?
    for _ in 0..<8 {
      guard isIndex(descriptor) else {
        let bytes = try blob(descriptor, what: "manifest")
        let what = "\(files.location): manifest \(descriptor.digest)"
        let manifest = try Manifest(bytes, mediaType: descriptor.mediaType, what: what)
        return (manifest, descriptor.digest, outer)
      }
      let bytes = try blob(descriptor, what: "index")
      if outer == nil { outer = (bytes, descriptor.digest) }
      let what = "\(files.location): index \(descriptor.digest)"
      let entries = try descriptors(bytes, what: what)
      guard let found = forThisPlatform(entries) else {
        let platforms = entries.map { platform($0) }.joined(separator: ", ")
        throw StoreError(
          .usage, "\(what): no image for linux/\(hostArchitecture); platforms: \(platforms)")
      }
      descriptor = found
    }
    throw malformed("\(files.location): indexes are nested too deep")
  }

  private func isIndex(_ descriptor: Descriptor) -> Bool {
    MediaType.indexes.contains(descriptor.mediaType)
  }

  private func platform(_ descriptor: Descriptor) -> String {
    let platform = descriptor.json["platform"]
    return "\(platform?["os"]?.string ?? "?")/\(platform?["architecture"]?.string ?? "?")"
  }

  /// The name in the index, or else one of the folder or file and the tag.
  func names(_ descriptor: Descriptor, tag: String?) -> [String] {
    if let full = descriptor.annotation(Annotation.containerdName) { return normalized([full]) }
    let name = descriptor.annotation(Annotation.referenceName)
    if let name, name.contains("/") || name.contains(":") { return normalized([name]) }
    var base = RawPath(files.location).cleaned.lastComponent.description.lowercased()
    for suffix in [".gz", ".tar"] where base.hasSuffix(suffix) {
      base.removeLast(suffix.count)
    }
    return normalized([base + ":" + (name ?? "latest")])
  }
}

// MARK: - Blobs

extension LayoutReader {
  /// A small blob as a whole, verified.
  func blob(_ descriptor: Descriptor, what: String) throws(StoreError) -> [UInt8] {
    let limit: Int64 = 32 << 20
    guard descriptor.size <= limit else {
      throw malformed("\(name(descriptor, what)) has \(descriptor.size) bytes: too large")
    }
    let file = try find(descriptor, what)
    let bytes = try streaming(name(descriptor, what)) { () throws(StreamError) in
      try file.source.readToEnd(limit: Int(limit))
    }
    try verify(bytes, descriptor, what: name(descriptor, what))
    return bytes
  }

  /// A layer's blob, whose size is verified now and whose digest is by the reader.
  func open(_ descriptor: Descriptor, what: String) throws(StoreError) -> any ByteSource {
    let file = try find(descriptor, what)
    guard file.size == descriptor.size else {
      throw malformed(
        "\(name(descriptor, what)) has \(file.size) bytes, not \(descriptor.size) as promised")
    }
    return file.source
  }

  private func find(_ descriptor: Descriptor, _ what: String) throws(StoreError) -> ImageFile {
    let digest = descriptor.digest
    let path = RawPath("blobs/\(digest.algorithm.rawValue)/\(digest.hex)")
    guard let file = try files.open(path) else {
      throw malformed("\(name(descriptor, what)) is missing")
    }
    return file
  }

  private func name(_ descriptor: Descriptor, _ what: String) -> String {
    "\(files.location): \(what) \(descriptor.digest)"
  }
}
