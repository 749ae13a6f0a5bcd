import StrataArchive
import StrataDigest
import StrataJSON
import StrataModel
import StrataStore
import StrataSystem

/// Layer forms from which single files can be read, so that an image starts before it was pulled.
public enum LazyForm: Sendable {
  /// gzip members and a TOC that is an entry of the tar: each layer's diff ID changes, and with it the
  /// config and the image's id, as with the peers' converters.
  case eStargz
  /// zstd frames and a TOC beside them: tars, config and id stay.
  case zstdChunked

  var form: ChunkedForm { self == .eStargz ? .eStargz : .zstdChunked }
}

extension StoredImage {
  /// Puts the image with its layers in a lazy form, and returns the descriptor of its manifest.
  ///
  /// A layer's tar is verified before a byte of its new form is written; it lies in a file without a
  /// name meanwhile.
  func writeLazyOCI(to blobs: any BlobWriter, _ form: LazyForm, _ options: ExportOptions)
    throws(StoreError) -> Descriptor
  {
    options.progress?.report(
      .planned(
        layers.enumerated().map { number, layer in
          TransferLayer(digest: config.diffIDs[number], size: layer.diffSize)
        }))
    var descriptors: [Descriptor] = []
    var diffIDs: [Digest] = []
    for number in layers.indices {
      let tar = try Spool(in: blobs.folder)
      _ = try writeLayer(number, .none, to: tar, progress: options.progress)
      var written: ChunkedLayer?
      let source = try tar.source()
      let blob = try blobs.put { sink throws(StoreError) in
        let digesting = DigestingSink(sink)
        written = try streaming("layer \(layers[number].id.prefix(12))") { () throws(StreamError) in
          try writeChunkedLayer(source, form.form, to: digesting)
        }
        let (digest, size) = digesting.finish()
        return WrittenBlob(digest: digest, size: size)
      }
      guard let written else { continue }
      diffIDs.append(written.diffID)
      descriptors.append(
        Descriptor(
          mediaType: MediaType.ociLayer(form.form.compression), digest: blob.digest,
          size: blob.size, annotations: written.annotations))
    }
    options.progress?.report(.finishing)
    let configBytes = try config(with: diffIDs)
    _ = try blobs.put(configBytes)
    let bytes = lazyManifest(configBytes, descriptors)
    let manifest = try blobs.put(bytes)
    return Descriptor(
      mediaType: MediaType.ociManifest, digest: manifest.digest, size: manifest.size)
  }

  /// The config as it is, or with other diff IDs where these have changed.
  private func config(with diffIDs: [Digest]) throws(StoreError) -> [UInt8] {
    if diffIDs == config.diffIDs { return config.bytes }
    do throws(JSONError) {
      var text = try JSONText(config.bytes)
      try text.set("rootfs", "diff_ids", to: .array(diffIDs.map { .string($0.description) }))
      return text.bytes
    } catch { throw StoreError(.damaged, "image config: \(error)") }
  }

  /// The manifest in the store with other layers, its own annotations kept; or a new one.
  private func lazyManifest(_ configBytes: [UInt8], _ descriptors: [Descriptor]) -> [UInt8] {
    let config = Descriptor(
      mediaType: MediaType.ociConfig, digest: Digester.digest(of: configBytes),
      size: Int64(configBytes.count))
    guard let manifest, manifest.isOCI, manifest.layers.count == descriptors.count,
      var json = try? JSONValue(parsing: manifest.bytes)
    else { return Manifest.oci(config: config, layers: descriptors, statesType: true) }
    json["config"] = config.json
    json["layers"] = .array(descriptors.map(\.json))
    return json.encoded()
  }
}
