// What a layer stands on is told twice: by the parents in the records, and by the driver's own short
// links (`link`, `lower` and the symbolic links in `l`: storage-format 1.1, 6.5), which are what the peers
// mount by. A power cut in an older version, a lost file or a hand may let the two differ; then the
// records are right, and everything here can be made of them.

package import StrataModel
import StrataPersistence
import StrataSystem

extension OverlayDriver {
  package func stackProblems(of id: String, on parents: [String]) throws(StoreError) -> [String] {
    let layer = try directory(of: id)
    var problems: [String] = []
    // A layer of an additional image store has its short link there, and whatever is wrong with it shows
    // in what stands on it.
    if owns(layer), let problem = try linkProblem(of: layer) { problems.append(problem) }
    let below = try layer.lowers().map { target(of: $0, from: layer)?.id.description ?? "nothing" }
    if !isStack(below, of: layer, on: parents) {
      problems.append(
        "\(layer.path.appending(LayerFile.lower)) leads to \(Self.list(below)), the records to "
          + Self.list(parents))
    }
    return problems
  }

  /// Whether these are the parents, each followed by its template if it is a copy for other ID maps.
  ///
  /// The record of such a copy names the template's parent, while the driver's files have the template,
  /// from which come the files that needed no other owner, and the whiteouts (storage-format 6.7).
  private func isStack(_ below: [String], of layer: LayerDirectory, on parents: [String]) -> Bool {
    var rest = parents[...]
    var above = layer
    for id in below {
      if id == rest.first {
        rest = rest.dropFirst()
      } else if olderDiffs(of: above).isEmpty {
        return false
      }
      guard let next = try? directory(of: id) else { return false }
      above = next
    }
    return rest.isEmpty
  }

  private static func list(_ ids: [String]) -> String {
    ids.isEmpty ? "no layer" : ids.map { String($0.prefix(12)) }.joined(separator: ":")
  }

  private func linkProblem(of layer: LayerDirectory) throws(StoreError) -> String? {
    guard let link = try layer.link() else {
      return "\(layer.path.appending(LayerFile.link)) is missing or empty"
    }
    let name = LayerFile.links.appending(link)
    if (try? layer.home.view.readLink(name)) == layer.linkTarget { return nil }
    return "\(layer.homePath.appending(name)) does not lead to layer \(layer.id)"
  }

  package func restack(_ id: String, on parents: [String]) throws(StoreError) {
    // From the lowest on: what a layer stands on is its parent and what that stands on.
    let chain = [id] + parents
    for index in chain.indices.reversed() {
      let layer = try directory(of: chain[index])
      if owns(layer) { try restack(layer, on: Array(chain[(index + 1)...])) }
    }
  }

  private func restack(_ layer: LayerDirectory, on parents: [String]) throws(StoreError) {
    try relink(layer)
    let id = layer.id.description
    guard let problem = try stackProblems(of: id, on: parents).first else { return }
    guard olderDiffs(of: layer).isEmpty else {
      throw StoreError(
        .damaged,
        "\(problem), and no record says of which layer this copy for other ID maps was made: delete it"
      )
    }
    var lower: [RawPath] = []
    if let parent = parents.first {
      let above = try directory(of: parent)
      let rest = Array(parents.dropFirst())
      lower.append(LayerFile.links.appending(try linkName(of: above)))
      if try stackProblems(of: parent, on: rest).isEmpty {
        lower += try above.lowers()
      } else {
        for id in rest {
          lower.append(LayerFile.links.appending(try linkName(of: directory(of: id))))
        }
      }
    }
    try layer.replaceFile(LayerFile.lower, LayerDirectory.joined(lower))
  }

  package func removeRemains(of id: String) throws(StoreError) {
    let layer = try ownDirectory(of: id)
    while let link = try readLinks(in: layer.home).0[layer.id] {
      let name = LayerFile.links.appending(link)
      try naming("remove", layer.homePath.appending(name)) { () throws(Errno) in
        try layer.home.view.unlink(name)
      }
    }
  }

  /// Gives a layer a short link that leads to it: one that does, else the one that it has, if that is
  /// nobody else's, else a new one.
  private func relink(_ layer: LayerDirectory) throws(StoreError) {
    if try linkProblem(of: layer) == nil { return }
    // What the peers repair by themselves, in the same way.
    try recreateLinks(in: layer.home)
    if try linkProblem(of: layer) == nil { return }
    if let link = try readLinks(in: layer.home).0[layer.id] {
      return try layer.replaceFile(LayerFile.link, link)
    }
    var link = try layer.link()
    if let taken = link, let other = target(of: LayerFile.links.appending(taken), from: layer)?.id {
      let holder = LayerDirectory(home: layer.home, homePath: layer.homePath, id: other)
      if other != layer.id, try holder.link() == taken { link = nil }
    }
    let name = link ?? RawPath(Identifiers.newLink(randomBytes))
    let path = LayerFile.links.appending(name)
    try naming("symlink", layer.homePath.appending(path)) { () throws(Errno) in
      let temporary = LayerFile.links.appending(RawPath(Identifiers.newLink(randomBytes)))
      try layer.home.view.makeSymlink(temporary, to: layer.linkTarget)
      try layer.home.view.rename(temporary, to: layer.home.view, path)
    }
    try layer.replaceFile(LayerFile.link, name)
  }
}
