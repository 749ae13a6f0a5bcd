import StrataJSON
package import StrataModel
package import StrataPersistence

// Look-ups that one kind of record needs. They run over the summaries and make only what they find: a
// command makes one or two of them, and that takes less time than to build an index.

extension RecordTable<LayerRecord> {
  /// The layers right on top of one, in order.
  package func children(of id: String) -> [LayerRecord] {
    records(where: \.parent, is: id) { $0.parent }
  }

  /// The layers whose plain tar has this digest, in order of creation.
  package func layers(diffID: Digest) -> [LayerRecord] {
    records(where: \.diffDigest, is: diffID.description) { $0.diffID?.description }
  }

  /// The layers whose blob has this digest, in order of creation.
  package func layers(compressedDigest: Digest) -> [LayerRecord] {
    records(where: \.compressedDigest, is: compressedDigest.description) {
      $0.compressedDigest?.description
    }
  }

  /// The layers whose table of contents has this digest, in order of creation.
  package func layers(tocDigest: Digest) -> [LayerRecord] {
    records(where: \.tocDigest, is: tocDigest.description) { $0.tocDigest?.description }
  }
}

extension RecordTable<ImageRecord> {
  /// The images that answer to a digest.
  package func images(digest: Digest) -> [ImageRecord] {
    records.filter { $0.digest == digest || $0.digests.contains(digest) }
  }

  /// The images whose top layer, or a mapped copy of it, is this one.
  package func images(layer: String) -> [ImageRecord] {
    records.filter { $0.layer == layer || $0.mappedLayers.contains(layer) }
  }
}

extension RecordTable<ContainerRecord> {
  /// The containers that write to a layer: at most one, unless something is damaged.
  package func containers(layer: String) -> [ContainerRecord] {
    records(where: \.parent, is: layer) { $0.layer }
  }

  /// The containers made of an image.
  package func containers(image: String) -> [ContainerRecord] {
    records.filter { $0.image == image }
  }

  /// By id, name, layer id, then a prefix of one id: the peer's order for containers.
  package func findContainer(_ key: String) -> ContainerRecord? {
    self[key] ?? named(key) ?? containers(layer: key).first ?? withUniquePrefix(key)
  }
}
