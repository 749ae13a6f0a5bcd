import StrataDigest
import StrataJSON
import StrataModel
import StrataStore
import StrataSystem

/// Where the blobs of an OCI image are put while it is exported.
protocol BlobWriter: AnyObject {
  /// A folder in the file system that the blobs go to.
  var folder: RawPath { get }
  /// Puts a blob of unknown digest: `write` writes it and says what it has become.
  func put(_ write: (any RewritableSink) throws(StoreError) -> WrittenBlob) throws(StoreError)
    -> WrittenBlob
}

extension BlobWriter {
  /// Puts a blob at hand.
  func put(_ bytes: [UInt8]) throws(StoreError) -> WrittenBlob {
    try put { sink throws(StoreError) in
      try streaming("write a blob") { () throws(StreamError) in try sink.write(bytes) }
      return WrittenBlob(digest: Digester.digest(of: bytes), size: Int64(bytes.count))
    }
  }
}

extension StoredImage {
  /// Puts all blobs of the image and returns the descriptor of its manifest.
  ///
  /// Layers go as the blobs they came as where those were kept, are a lazy store's or can be made again; one
  /// line warns where not. The manifest in the store is kept where every blob could be made again as it describes it.
  /// Otherwise a new one points at the same config and the same tars.
  func writeOCI(to blobs: any BlobWriter, _ options: ExportOptions) throws(StoreError)
    -> Descriptor
  {
    if let form = options.lazyForm { return try writeLazyOCI(to: blobs, form, options) }
    var compression = layers.map {
      options.compression ?? ($0.compression == .zstd ? .zstd : .gzip)
    }
    options.progress?.report(
      .planned(
        layers.enumerated().map { number, layer in
          TransferLayer(digest: config.diffIDs[number], size: layer.diffSize)
        }))
    var descriptors: [Descriptor] = []
    var written: [WrittenBlob] = []
    for number in layers.indices {
      let blob = try blobs.put { sink throws(StoreError) in
        // A lazy layer has its blob still, unless another form is asked for.
        if options.compression == nil,
          let original = try writeOriginalBlob(number, to: sink, progress: options.progress)
        {
          compression[number] = original.compression
          return original.blob
        }
        if options.compression == nil,
          let same = try writeSameBlob(number, to: sink, progress: options.progress)
        {
          return same
        }
        return try writeLayer(number, compression[number], to: sink, progress: options.progress)
      }
      written.append(blob)
      descriptors.append(
        Descriptor(
          mediaType: MediaType.ociLayer(compression[number]), digest: blob.digest, size: blob.size))
    }
    options.progress?.report(.finishing)
    if options.compression == nil, let text = changedBlobs(written) {
      store.configuration.onWarning?(text)
    }
    _ = try blobs.put(config.bytes)
    let bytes = ociManifest(descriptors)
    let manifest = try blobs.put(bytes)
    return Descriptor(
      mediaType: MediaType.ociManifest, digest: manifest.digest, size: manifest.size)
  }
}

/// `index.json` with one more image, or with another image under a name that it has.
func indexText(_ old: [UInt8]?, adding descriptor: Descriptor, name: String?, what: String)
  throws(StoreError) -> [UInt8]
{
  var entry = descriptor.json
  if let name {
    entry["annotations"] = .members([(Annotation.referenceName, .string(name))])
  }
  guard let old else {
    return JSONValue.members([("schemaVersion", .integer(2)), ("manifests", .array([entry]))])
      .encoded()
  }
  var index = try parseJSON(old, what: what)
  guard let manifests = index["manifests"]?.array else { throw malformed("\(what): no manifests") }
  let kept = manifests.filter { other in
    let otherName = other["annotations"]?[Annotation.referenceName]?.string
    // Without a name only the very same image is replaced.
    return name == nil
      ? otherName != nil || other["digest"] != entry["digest"] : otherName != name
  }
  index["manifests"] = .array(kept + [entry])
  return index.encoded()
}

/// The content of the file `oci-layout`.
let layoutVersion = Array(#"{"imageLayoutVersion": "1.0.0"}"#.utf8)
