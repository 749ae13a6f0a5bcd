public import StrataModel
public import StrataStore
import StrataSystem

/// How an image is exported.
public struct ExportOptions {
  /// The compression of layers in OCI forms; nil: gzip, or zstd where the layer came in zstd.
  public var compression: Compression?
  /// A form of the layers from which single files can be read; then `compression` says nothing.
  public var lazyForm: LazyForm?
  /// Told of each step.
  public var progress: (any TransferProgress)?

  /// Everything as skopeo would do it.
  public init() {}
}

/// Writes an image out of a store and returns the digest of the manifest as written.
///
/// The config keeps its bytes and every layer its diff ID (but see `LazyForm.eStargz`), which is verified
/// while it is written. An archive gets the name that the destination says, else the one that `image`
/// is; an id gives it none. The destination appears whole or not at all.
@discardableResult
public func exportImage(
  _ image: String, from store: Store, to destination: ImageDestination,
  options: ExportOptions = ExportOptions()
) throws(StoreError) -> Digest {
  if let compression = options.compression, ![.none, .gzip, .zstd].contains(compression) {
    throw StoreError(.usage, "layers of images are plain, gzip or zstd, not \(compression)")
  }
  if let tag = destination.tag, !isReferenceName(tag) {
    throw StoreError(
      .usage,
      "\(destination): \(quoted(tag)) is no tag of an OCI image: letters, digits and single "
        + "-._:@+ between them")
  }
  let stored = try StoredImage(image, in: store)
  switch destination {
  case .ociLayout(let path, let tag):
    return try Interruption.puttingOff { () throws(StoreError) in
      try exportLayout(stored, path, tag: tag, options)
    }
  case .ociArchive(let path, let tag):
    return try exportArchive(
      stored, path, name: tag ?? stored.name(askedFor: image), options)
  case .dockerArchive(let path, let name):
    guard options.lazyForm == nil else {
      throw StoreError(
        .usage, "a docker-archive holds plain tars: write oci: or oci-archive: for lazy layers")
    }
    let given = try name.map { name throws(StoreError) in try imageName(name) }
    let names = [given ?? stored.name(askedFor: image)].compactMap { $0 }
    let archive = try ArchiveWriter(path)
    let digest = try stored.writeDockerArchive(
      to: archive, names: names, options)
    try archive.finish()
    return digest
  }
}

private func exportLayout(
  _ image: StoredImage, _ path: RawPath, tag: String?, _ options: ExportOptions
) throws(StoreError) -> Digest {
  let layout = try OCILayoutWriter(path)
  do throws(StoreError) {
    let manifest = try image.writeOCI(to: layout, options)
    try layout.finish(manifest, tag: tag)
    return manifest.digest
  } catch {
    layout.abandon()
    throw error
  }
}

/// In the order of `podman save`; without a tag the image is entered under its whole name, as there.
private func exportArchive(
  _ image: StoredImage, _ path: RawPath, name: String?, _ options: ExportOptions
) throws(StoreError) -> Digest {
  let archive = try ArchiveWriter(path)
  let blobs = SpooledBlobs(in: archive.folder)
  let manifest = try image.writeOCI(to: blobs, options)
  try archive.addFolder("blobs")
  try archive.addFolder("blobs/sha256")
  for blob in blobs.blobs.sorted(by: { $0.digest < $1.digest }) {
    try archive.add("blobs/sha256/\(blob.digest.hex)", blob.content)
  }
  let index = try indexText(nil, adding: manifest, name: name, what: "index.json")
  try archive.add("index.json", index)
  try archive.add("oci-layout", layoutVersion)
  try archive.finish()
  return manifest.digest
}
