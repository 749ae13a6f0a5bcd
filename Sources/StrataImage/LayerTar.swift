import StrataCompression
import StrataDigest
import StrataJSON
import StrataModel
import StrataStore
import StrataSystem

/// Makes an image of a plain tar of one layer, with the config that `podman import` writes (measured
/// with 4.3): made when the file was last changed, or now for standard input.
func locateLayerTar(_ path: RawPath, _ options: ImportOptions) throws(StoreError) -> SourceImage {
  let isInput = path == "-"
  let file = try isInput ? spoolStandardInput(options) : openFile(path)
  return try locateLayerTar(file, location: locationName(path), options)
}

/// As above for an open file.
func locateLayerTar(_ file: SharedDescriptor, location: String, _ options: ImportOptions)
  throws(StoreError) -> SourceImage
{
  let tar = try LayerTar(file, location: location)
  let changed = try calling("stat \(location)") { () throws(Errno) in
    try file.view.status().modificationTime
  }
  let made = location == standardInputName ? FileTime.now : changed
  let created = Timestamp(seconds: made.seconds, nanoseconds: made.nanoseconds).description
  let config = try ImageConfig(
    tar.config(created: created, options), what: "\(location): config")
  let configDigest = Digester.digest(of: config.bytes)
  let descriptor = Descriptor(
    mediaType: MediaType.ociConfig, digest: configDigest, size: Int64(config.bytes.count))
  let layer = Descriptor(
    mediaType: MediaType.ociLayer(tar.compression), digest: tar.digest, size: tar.size)
  let manifest = Manifest.oci(config: descriptor, layers: [layer], statesType: false)
  return SourceImage(
    location: location, config: config, configDigest: configDigest,
    layers: [tar.layer], manifest: .given(manifest, Digester.digest(of: manifest)), index: nil,
    names: [])
}

/// A layer's tar whose digests were found by reading it once.
private struct LayerTar {
  let file: SharedDescriptor
  let location: String
  /// Of the blob as it is given to the store.
  let digest: Digest
  let size: Int64
  let diffID: Digest
  let compression: Compression
  /// Whether the store is given the plain tar: xz and bzip2 have no media type.
  let inflates: Bool

  init(_ file: SharedDescriptor, location: String) throws(StoreError) {
    self.file = file
    self.location = location
    let whole = try wholeFile(file, location: location)
    let blob = DigestingSource(whole)
    let (plain, compression) = try streaming(location) { () throws(StreamError) in
      let inflated = try DecompressingSource(blob)
      let plain = DigestingSource(inflated)
      _ = try plain.copy(to: NullSink())
      return (plain, inflated.compression)
    }
    diffID = plain.digest()
    inflates = compression == .xz || compression == .bzip2
    self.compression = inflates ? .none : compression
    digest = inflates ? diffID : blob.digest()
    size = inflates ? plain.byteCount : blob.byteCount
  }

  var layer: SourceLayer {
    SourceLayer(
      digest: digest, size: size,
      expected: LayerExpectation(diffID: diffID, compressedDigest: digest, compressedSize: size)
    ) { () throws(StoreError) -> any ByteSource in
      let whole = try wholeFile(file, location: location)
      if !inflates { return whole }
      return try streaming(location) { () throws(StreamError) in try DecompressingSource(whole) }
    }
  }

  /// The config in the spelling of `podman import`, with the caller's changes.
  func config(created: String, _ options: ImportOptions) throws(StoreError) -> [UInt8] {
    var settings = ImageSettings(nil)
    for change in options.changes { try settings.apply(change) }
    let history: JSONValue = .members([
      ("created", .string(created)),
      ("created_by", .string("/bin/sh -c #(nop) ADD file:\(diffID.hex) in /")),
      ("comment", .string(options.message ?? "imported from tarball")),
    ])
    return JSONValue.members([
      ("created", .string(created)), ("architecture", .string(hostArchitecture)),
      ("os", .string("linux")), ("config", settings.json),
      (
        "rootfs",
        .members([
          ("type", .string("layers")), ("diff_ids", .strings([diffID.description])),
        ])
      ), ("history", .array([history])),
    ]).encoded()
  }
}
