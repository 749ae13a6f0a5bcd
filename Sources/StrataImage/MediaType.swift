package import StrataModel

/// Media types of the OCI image specification and of Docker's schema 2.
package enum MediaType {
  package static let ociManifest = "application/vnd.oci.image.manifest.v1+json"
  package static let ociIndex = "application/vnd.oci.image.index.v1+json"
  package static let ociConfig = "application/vnd.oci.image.config.v1+json"
  package static let ociLayer = "application/vnd.oci.image.layer.v1.tar"
  package static let dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
  package static let dockerList = "application/vnd.docker.distribution.manifest.list.v2+json"
  package static let dockerConfig = "application/vnd.docker.container.image.v1+json"
  package static let dockerLayer = "application/vnd.docker.image.rootfs.diff.tar"
  package static let dockerLayerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip"

  package static let manifests = [ociManifest, dockerManifest]
  package static let indexes = [ociIndex, dockerList]
  package static let configs = [ociConfig, dockerConfig]

  /// Layers whose blob is a tar; how it is compressed is seen from the blob itself.
  private static let layers: Set<String> = [
    ociLayer, ociLayer + "+gzip", ociLayer + "+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    dockerLayer, dockerLayerGzip, dockerLayer + ".zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  ]

  package static func isLayer(_ type: String) -> Bool { layers.contains(type) }

  /// The type of an OCI layer in this compression.
  package static func ociLayer(_ compression: Compression) -> String {
    switch compression {
    case .gzip: ociLayer + "+gzip"
    case .zstd: ociLayer + "+zstd"
    case .none, .bzip2, .xz: ociLayer
    }
  }
}
