import StrataCompression
import StrataDigest
import StrataJSON
import StrataModel
import StrataStore
import StrataSystem

/// Finds an image in what `docker save` or `podman save` wrote.
///
/// The archive says no digests but those in the config, which are of the plain layer tars; the
/// config's own name is not trusted.
func locateInDockerArchive(_ files: TarFiles, reference: String?) throws(StoreError) -> SourceImage
{
  let what = "\(files.location): manifest.json"
  guard let bytes = try files.contents("manifest.json") else {
    throw malformed("\(files.location) is no docker-archive: it has no manifest.json")
  }
  guard let entries = try parseJSON(bytes, what: what).array, !entries.isEmpty else {
    throw malformed("\(what) lists no image")
  }
  let (entry, chosenName) = try choose(entries, reference, files.location)
  guard let configName = entry["Config"]?.string,
    let paths = entry["Layers"]?.strings ?? noLayers(entry)
  else {
    throw malformed("\(what): an image without Config or Layers")
  }
  guard let configBytes = try files.contents(RawPath(configName)) else {
    throw malformed("\(files.location): config \(configName) is missing")
  }
  let config = try ImageConfig(configBytes, what: "\(files.location): config \(configName)")
  guard config.diffIDs.count == paths.count else {
    throw malformed(
      "\(files.location): config \(configName) has \(config.diffIDs.count) diff IDs for "
        + "\(paths.count) layers")
  }
  let layers = zip(paths, config.diffIDs).map { path, diffID in
    SourceLayer(digest: diffID, size: nil, expected: LayerExpectation(diffID: diffID)) {
      () throws(StoreError) -> any ByteSource in
      guard let file = try files.open(RawPath(path)) else {
        throw malformed("\(files.location): layer \(path) is missing")
      }
      // Compressed layers are inflated first, so that the record says what image-copy code's does:
      // a plain tar (storage-format 2.3).
      return try streaming("\(files.location): \(path)") { () throws(StreamError) in
        try DecompressingSource(file.source)
      }
    }
  }
  let tags = chosenName.map { [$0] } ?? entry["RepoTags"]?.strings ?? []
  return SourceImage(
    location: files.location, config: config, configDigest: Digester.digest(of: configBytes),
    layers: layers, manifest: .dockerArchive, index: nil, names: normalized(tags),
    warnings: tags.filter { normalized([$0]).isEmpty }.map {
      "\(files.location): the name \(quoted($0)) is none that an image can have, and is left out"
    })
}

/// An image without layers has `null`, or no list at all.
private func noLayers(_ entry: JSONValue) -> [String]? {
  switch entry["Layers"] {
  case nil, .null: []
  default: nil
  }
}

/// The image of that name, or `@N` for the Nth counted from 0; without one the only image.
///
/// The name is returned as the archive spells it.
private func choose(_ entries: [JSONValue], _ reference: String?, _ location: String)
  throws(StoreError) -> (JSONValue, String?)
{
  let tags = entries.flatMap { $0["RepoTags"]?.strings ?? [] }
  let list = tags.isEmpty ? "none" : tags.joined(separator: ", ")
  guard let reference else {
    if entries.count == 1 { return (entries[0], nil) }
    throw StoreError(
      .usage, "\(location): more than one image, choose one by its name; names: \(list)")
  }
  if reference.hasPrefix("@"), let number = Int(reference.dropFirst()) {
    guard entries.indices.contains(number) else {
      throw StoreError(.usage, "\(location): no image @\(number); there are \(entries.count)")
    }
    return (entries[number], nil)
  }
  let wanted = try normalizedReference(reference)
  // Archives of Docker leave out its own registry, which podman's normal form does not do.
  let alternative =
    reference.contains("/") ? nil : try normalizedReference("docker.io/" + reference)
  for entry in entries {
    for tag in entry["RepoTags"]?.strings ?? [] {
      let normal = try? Reference(normalizing: tag).description
      if tag == reference || normal == wanted || (normal != nil && normal == alternative) {
        return (entry, tag)
      }
    }
  }
  throw StoreError(.usage, "\(location): no image named \(quoted(reference)); names: \(list)")
}
