import StrataJSON
package import StrataModel

extension StoredImage {
  /// The OCI manifest of this image with these layers: the stored one, byte for byte, where it has the
  /// same layers.
  func ociManifest(_ descriptors: [Descriptor]) -> [UInt8] {
    if let manifest, manifest.isOCI, let bytes = edited(manifest, descriptors) { return bytes }
    let config = Descriptor(
      mediaType: MediaType.ociConfig, digest: configDigest, size: Int64(config.bytes.count))
    return Manifest.oci(config: config, layers: descriptors, statesType: true)
  }

  /// The manifest of this image with these layers, of the form that the stored one has, and its media
  /// type.
  ///
  /// Layers in zstd have a name in OCI manifests alone.
  package func manifest(layers: [(blob: WrittenBlob, compression: Compression)]) -> (
    bytes: [UInt8], mediaType: String
  ) {
    let isDocker = manifest.map { !$0.isOCI } ?? false
    if isDocker, let manifest, layers.allSatisfy({ $0.compression == .gzip }) {
      let descriptors = layers.map { layer in
        Descriptor(
          mediaType: MediaType.dockerLayerGzip, digest: layer.blob.digest, size: layer.blob.size)
      }
      if let bytes = edited(manifest, descriptors) { return (bytes, MediaType.dockerManifest) }
    }
    let descriptors = layers.map { layer in
      Descriptor(
        mediaType: MediaType.ociLayer(layer.compression), digest: layer.blob.digest,
        size: layer.blob.size)
    }
    return (ociManifest(descriptors), MediaType.ociManifest)
  }

  /// The stored manifest with other layers; nil where it does not have as many.
  ///
  /// Annotations, of the image and of its layers, stay.
  private func edited(_ manifest: Manifest, _ descriptors: [Descriptor]) -> [UInt8]? {
    guard manifest.layers.count == descriptors.count,
      var json = try? JSONValue(parsing: manifest.bytes)
    else { return nil }
    if zip(manifest.layers, descriptors).allSatisfy({ $0.digest == $1.digest }) {
      return manifest.bytes
    }
    json["layers"] = .array(
      zip(manifest.layers, descriptors).map { old, new in
        if old.digest == new.digest { return old.json }
        var layer = old.json
        layer["mediaType"] = .string(new.mediaType)
        layer["digest"] = .string(new.digest.description)
        layer["size"] = .integer(new.size)
        return layer
      })
    return json.encoded()
  }
}
