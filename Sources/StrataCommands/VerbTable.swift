/// All verbs, in the order of the overview.
package enum VerbTable {
  package static let all: [Verb] = images + containers + layers + anything + DataVerbs.all + store

  private static let images: [Verb] = [
    .pull, .push, .importImage, .exportImage, .commit, .images, .image, .imagesByDigest,
    .createImage,
    .deleteImage, .imageDirectory, .imageRunDirectory, .tree,
  ]
  private static let containers: [Verb] = [
    .create, .containers, .container, .createContainer, .deleteContainer, .containerDirectory,
    .containerRunDirectory, .containerParentOwners,
  ]
  private static let layers: [Verb] = [
    .layers, .layer, .createLayer, .importLayer, .applyDiff, .deleteLayer, .layerParentOwners,
    .storageLayers, .createStorageLayer, .applyDiffFromDirectory,
  ]
  private static let anything: [Verb] = [
    .inspect, .copy, .mount, .unmount, .mounted, .changes, .diff, .diffSize, .delete, .exists,
    .getNames,
    .addNames, .setNames, .removeNames, .metadata, .setMetadata,
  ]
  private static let store: [Verb] = [
    .info, .status, .config, .doctor, .check, .gc, .prune, .diskUse, .dedup, .unshare, .shutdown,
    .wipe,
    .completions, .manual, .version,
  ]

  /// Peer verbs that answer to their dashed name alone.
  private static let onlyDashed: Set<String> = [
    "images-by-digest", "storage-layers", "create-storage-layer", "layer-parent-owners",
    "container-parent-owners", "applydiff-using-staging-dir",
  ]

  /// The verb of a spelling: every dashed name also without dashes, `applydiff` also with one.
  package static func verb(_ spelling: String, for persona: Persona) -> Verb? {
    all.first { verb in
      guard persona == .strata || verb.isOfPeer else { return false }
      if persona == .strata, verb.ownNames.contains(spelling) { return true }
      return verb.names.contains { name in
        name == spelling
          || (!onlyDashed.contains(name) && name.filter { $0 != "-" } == spelling)
      }
    }
  }

  /// The verbs whose spelling is nearest to a wrong one, for a hint.
  package static func nearest(to wrong: String) -> String? {
    let names = all.flatMap { $0.names + $0.ownNames }
    let best = names.map { ($0, editDistance($0, wrong)) }.min { $0.1 < $1.1 }
    guard let best, best.1 <= 2, best.1 < wrong.count else { return nil }
    return best.0
  }
}

/// How many letters must be added, taken away or replaced to turn one word into the other.
func editDistance(_ left: String, _ right: String) -> Int {
  let a = Array(left)
  let b = Array(right)
  var row = Array(0...b.count)
  for i in 0..<a.count {
    var previous = row
    previous[0] = i + 1
    for j in 0..<b.count {
      previous[j + 1] = min(
        row[j + 1] + 1, previous[j] + 1, row[j] + (a[i] == b[j] ? 0 : 1))
    }
    row = previous
  }
  return row[b.count]
}
