public import StrataSystem

/// Where an image is read from.
public enum ImageSource: Sendable, CustomStringConvertible {
  /// A folder in the OCI image layout; `tag` chooses among several images.
  case ociLayout(RawPath, tag: String?)
  /// A tar of an OCI image layout, compressed or not.
  case ociArchive(RawPath, tag: String?)
  /// What `docker save` and `podman save` write; `reference` is a name, or `@N` for the Nth image.
  case dockerArchive(RawPath, reference: String?)
  /// A plain tar of one layer, compressed or not; `-` is standard input.
  case layerTar(RawPath)
  /// Whatever of the above the path turns out to be.
  case detect(RawPath)

  /// Reads `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME]`, `tar:FILE`, or a
  /// bare path whose kind is to be found out.
  public init(_ text: String) {
    guard let (kind, rest) = splitTransport(text) else {
      self = .detect(RawPath(text))
      return
    }
    let (path, tag) = splitTag(rest)
    switch kind {
    case .oci: self = .ociLayout(path, tag: tag)
    case .ociArchive: self = .ociArchive(path, tag: tag)
    case .dockerArchive: self = .dockerArchive(path, reference: tag)
    case .tar: self = .layerTar(RawPath(String(rest)))
    }
  }

  /// The path.
  public var path: RawPath {
    switch self {
    case .ociLayout(let path, _), .ociArchive(let path, _), .dockerArchive(let path, _),
      .layerTar(let path), .detect(let path):
      path
    }
  }

  /// As it is written on a command line.
  public var description: String {
    switch self {
    case .ociLayout(let path, let tag): "oci:\(path)" + (tag.map { ":" + $0 } ?? "")
    case .ociArchive(let path, let tag): "oci-archive:\(path)" + (tag.map { ":" + $0 } ?? "")
    case .dockerArchive(let path, let name):
      "docker-archive:\(path)" + (name.map { ":" + $0 } ?? "")
    case .layerTar(let path), .detect(let path): "\(path)"
    }
  }
}

/// Where an image is written to.
public enum ImageDestination: Sendable, CustomStringConvertible {
  /// A folder in the OCI image layout, made if it is missing; an image of the same tag is replaced.
  case ociLayout(RawPath, tag: String?)
  /// A tar of an OCI image layout; an existing file is replaced.
  case ociArchive(RawPath, tag: String?)
  /// What `docker load` and `podman load` read; `name` is put into it in place of the image's own.
  case dockerArchive(RawPath, name: String?)

  /// Reads `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]` or `docker-archive:FILE[:NAME]`; nil for
  /// anything else.
  public init?(_ text: String) {
    guard let (kind, rest) = splitTransport(text) else { return nil }
    let (path, tag) = splitTag(rest)
    guard !path.isEmpty else { return nil }
    switch kind {
    case .oci: self = .ociLayout(path, tag: tag)
    case .ociArchive: self = .ociArchive(path, tag: tag)
    case .dockerArchive: self = .dockerArchive(path, name: tag)
    case .tar: return nil
    }
  }

  /// The path.
  public var path: RawPath {
    switch self {
    case .ociLayout(let path, _), .ociArchive(let path, _), .dockerArchive(let path, _): path
    }
  }

  /// The name that the image gets in an OCI layout, where one is asked for.
  var tag: String? {
    switch self {
    case .ociLayout(_, let tag), .ociArchive(_, let tag): tag
    case .dockerArchive: nil
    }
  }

  /// As it is written on a command line.
  public var description: String {
    switch self {
    case .ociLayout(let path, let tag): "oci:\(path)" + (tag.map { ":" + $0 } ?? "")
    case .ociArchive(let path, let tag): "oci-archive:\(path)" + (tag.map { ":" + $0 } ?? "")
    case .dockerArchive(let path, let name):
      "docker-archive:\(path)" + (name.map { ":" + $0 } ?? "")
    }
  }
}

/// The words in front of a path, as skopeo and podman spell them.
private enum Transport: String {
  case oci = "oci"
  case ociArchive = "oci-archive"
  case dockerArchive = "docker-archive"
  case tar = "tar"
}

private func splitTransport(_ text: String) -> (Transport, Substring)? {
  guard let colon = text.firstIndex(of: ":"),
    let transport = Transport(rawValue: String(text[..<colon]))
  else { return nil }
  return (transport, text[text.index(after: colon)...])
}

/// The path ends at the first colon, as for skopeo.
private func splitTag(_ text: Substring) -> (RawPath, String?) {
  guard let colon = text.firstIndex(of: ":") else { return (RawPath(String(text)), nil) }
  let tag = String(text[text.index(after: colon)...])
  return (RawPath(String(text[..<colon])), tag.isEmpty ? nil : tag)
}
