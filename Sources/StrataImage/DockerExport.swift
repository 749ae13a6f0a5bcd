import StrataDigest
import StrataJSON
import StrataModel
import StrataStore
import StrataSystem

extension StoredImage {
  /// Writes what `podman save` writes, byte for byte.
  ///
  /// That is: plain layer tars under their digests, the
  /// config, the per-layer folders that the oldest readers look for, `manifest.json` and
  /// `repositories` (measured with 4.3). Returns the digest of the manifest that readers will make.
  func writeDockerArchive(to archive: ArchiveWriter, names: [String], _ options: ExportOptions)
    throws(StoreError) -> Digest
  {
    options.progress?.report(
      .planned(
        layers.enumerated().map { number, layer in
          TransferLayer(digest: config.diffIDs[number], size: layer.diffSize)
        }))
    var descriptors: [Descriptor] = []
    for (number, diffID) in config.diffIDs.enumerated() {
      if let same = config.diffIDs[..<number].firstIndex(of: diffID) {
        options.progress?.report(.skipped(number))
        descriptors.append(descriptors[same])
        continue
      }
      let spool = try Spool(in: archive.folder)
      let blob = try writeLayer(number, .none, to: spool, progress: options.progress)
      try archive.add(Self.layerName(diffID), spool, mode: 0o444)
      descriptors.append(
        Descriptor(mediaType: MediaType.dockerLayerGzip, digest: diffID, size: blob.size))
    }
    options.progress?.report(.finishing)
    try archive.add("\(configDigest.hex).json", config.bytes, mode: 0o444)
    let top = try writeLegacyFolders(to: archive)
    try archive.add("manifest.json", manifestList(names), mode: 0o444)
    try archive.add("repositories", repositories(names, top: top), mode: 0o444)
    let pointer = Descriptor(
      mediaType: MediaType.dockerConfig, digest: configDigest, size: Int64(config.bytes.count))
    return Digester.digest(of: Manifest.docker(config: pointer, layers: descriptors))
  }

  private static func layerName(_ diffID: Digest) -> String { "\(diffID.hex).tar" }

  private func manifestList(_ names: [String]) -> [UInt8] {
    JSONValue.array([
      .members([
        ("Config", .string("\(configDigest.hex).json")), ("RepoTags", .strings(names)),
        ("Layers", .strings(config.diffIDs.map { Self.layerName($0) })),
      ])
    ]).encoded()
  }

  /// Repository, tag and the id of the topmost folder; Go writes maps by key.
  private func repositories(_ names: [String], top: String?) -> [UInt8] {
    var tags: [String: [String: String]] = [:]
    for name in names {
      guard let top, let reference = try? Reference(normalizing: name), let tag = reference.tag
      else { continue }
      tags[reference.repository, default: [:]][tag] = top
    }
    return JSONValue.members(
      tags.sorted { $0.key < $1.key }.map { repository, ids in
        (repository, .members(ids.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))
      }
    ).encoded()
  }

  /// One folder for each layer, as Docker wrote before 1.10: the layer, a version and a config.
  ///
  /// Its id
  /// is the digest of the config with the chain of layers in it. Returns the topmost id.
  private func writeLegacyFolders(to archive: ArchiveWriter) throws(StoreError) -> String? {
    let copied = [
      "architecture", "config", "container", "container_config", "created", "docker_version", "os",
    ]
    var chain = ""
    var parent: String?
    for (number, diffID) in config.diffIDs.enumerated() {
      chain =
        number == 0
        ? diffID.description : Digester.digest(of: Array("\(chain) \(diffID)".utf8)).description
      var members: [String: JSONValue] = [:]
      if number == config.diffIDs.count - 1 {
        for name in copied { members[name] = config.json[name] ?? .null }
      }
      if let parent { members["parent"] = .string(parent) }
      let id = Digester.digest(of: sorted(members, "layer_id", chain)).hex
      try archive.addLink("\(id)/layer.tar", to: "../\(Self.layerName(diffID))", mode: 0)
      try archive.add("\(id)/VERSION", Array("1.0".utf8), mode: 0o444)
      try archive.add("\(id)/json", sorted(members, "id", id), mode: 0o444)
      parent = id
    }
    return parent
  }

  private func sorted(_ members: [String: JSONValue], _ name: String, _ value: String) -> [UInt8] {
    var members = members
    members[name] = .string(value)
    return JSONValue.members(members.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
      .encoded()
  }
}
