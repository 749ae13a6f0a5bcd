import StrataDigest
package import StrataModel

/// The ids that image-copy code gives to an image's layers, lowest first (storage-format 1.10).
///
/// With the same ids a layer that podman has pulled is known from the config alone, and the reverse.
/// They are not the OCI chain ids, which hash another text.
package func layerIDs(diffIDs: [Digest]) -> [String] {
  var ids: [String] = []
  for diffID in diffIDs {
    ids.append(layerID(parent: ids.last, diffID: diffID))
  }
  return ids
}

/// The id of the layer with this diff ID on top of `parent`.
package func layerID(parent: String?, diffID: Digest) -> String {
  guard let parent else { return diffID.hex }
  return Digester.digest(of: Array("\(parent)+\(diffID.hex)".utf8)).hex
}
