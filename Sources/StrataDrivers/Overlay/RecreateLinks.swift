// The repair of short names (storage-format 6.5): a sudden reboot may lose the symbolic links in `l`
// or the `link` files, and each can be made again from the other.

import StrataModel
import StrataSystem

extension OverlayDriver {
  /// Scans all layers of the home and makes what is missing: a short link from its layer's `link`
  /// file, a `link` file from the short link that leads to the layer.
  ///
  /// A short link whose target has not the form `../<id>/diff` is removed. Each change may allow
  /// another, hence the rounds.
  func recreateLinks(in home: SharedDescriptor) throws(StoreError) {
    try naming("mkdir", self.home.appending(LayerFile.links)) { () throws(Errno) in
      try home.view.makeDirectories(LayerFile.links, mode: 0o755)
    }
    for _ in 0..<10 {
      let (targets, removed) = try readLinks(in: home)
      let changed = try repair(home, targets)
      if !changed && !removed { return }
    }
  }

  /// The short names by the layer that they lead to, and whether malformed ones were removed.
  func readLinks(in home: SharedDescriptor) throws(StoreError) -> (
    [RawPath: RawPath], removed: Bool
  ) {
    try naming("readdir", self.home.appending(LayerFile.links)) {
      () throws(Errno) -> ([RawPath: RawPath], removed: Bool) in
      let links = try home.view.open(LayerFile.links, [.readOnly, .directory])
      var targets: [RawPath: RawPath] = [:]
      var removed = false
      for entry in try links.view.entries() where entry.type == .symlink || entry.type == .unknown {
        let parts = try links.view.readLink(entry.name).components
        if parts.count == 3, parts[0] == "..", parts[2] == LayerFile.diff {
          targets[parts[1]] = entry.name
        } else {
          try links.view.unlink(entry.name)
          removed = true
        }
      }
      return (targets, removed)
    }
  }

  /// One round over all layers; true if something was made.
  private func repair(_ home: SharedDescriptor, _ targets: [RawPath: RawPath])
    throws(StoreError) -> Bool
  {
    var changed = false
    for id in try layerNames(in: home) {
      let layer = LayerDirectory(home: home, homePath: self.home, id: id)
      if let link = try layer.link() {
        let name = LayerFile.links.appending(link)
        guard (try? home.view.exists(name)) == false else { continue }
        try naming("symlink", self.home.appending(name)) { () throws(Errno) in
          try home.view.makeSymlink(name, to: layer.linkTarget)
        }
        changed = true
      } else if let link = targets[id] {
        try layer.replaceFile(LayerFile.link, link)
        changed = true
      }
    }
    return changed
  }
}
