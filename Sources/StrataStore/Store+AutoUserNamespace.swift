import StrataDrivers
import StrataModel
import StrataPersistence
import StrataSystem

extension Store {
  /// The maps of a container that is about to be made.
  ///
  /// userns.lock is held by the caller, so that no two choose the same ids before either is recorded.
  func automaticMappings(
    _ wish: AutoUserNamespace, image: ImageRecord?, _ layers: borrowing LayerWriter
  ) throws(StoreError) -> IDMappings {
    var needed: UInt64 = 0
    if wish.size == nil, let top = image?.layer, !top.isEmpty {
      needed = try idsNeeded(by: top, layers)
    }
    let used = try containerStore.reading { $0.records.map(\.mappings) }
    return try wish.mappings(size: try wish.size(for: needed), besides: used)
  }

  /// One more than the highest id that owns a file of the image or that its passwd and group name.
  ///
  /// `nobody` and `nogroup` are there to be nobody, and do not count.
  private func idsNeeded(
    by top: String, _ layers: borrowing LayerWriter
  ) throws(StoreError) -> UInt64 {
    var highest: UInt32?
    func count(_ id: UInt32) {
      if id != Self.nobody { highest = max(highest ?? 0, id) }
    }
    var next: String? = top
    var seen: Set<String> = []
    while let id = next, !id.isEmpty {
      guard seen.insert(id).inserted else { throw .parentsInARing(id) }
      var layer = layers.layers[id]
      if layer == nil { layer = try findAdditionalLayer(id)?.record }
      guard let layer else { break }
      layer.uids.forEach(count)
      layer.gids.forEach(count)
      next = layer.parent
    }
    let directories = try driver.diffDirectories(top)
    for (file, nobody) in [("etc/passwd", "nobody"), ("etc/group", "nogroup")] {
      for fields in Self.lines(of: RawPath(file), in: directories.all) where fields.count > 2 {
        if fields[0] != "nobody", fields[0] != nobody, let id = UInt32(fields[2]) { count(id) }
      }
    }
    withExtendedLifetime(directories) {}
    return highest.map { UInt64($0) + 1 } ?? 0
  }

  private static let nobody: UInt32 = 65534

  /// The lines of a small file of an image, from the uppermost layer that has it.
  ///
  /// Names and links are followed as if the layer were the root: what an image says of its ids is a wish
  /// for a size and no more, so a whiteout above it is not looked for.
  private static func lines(of path: RawPath, in directories: [FileDescriptor]) -> [[Substring]] {
    for directory in directories {
      // Never a wait for somebody who writes into a FIFO of this name.
      guard
        let file = try? directory.open(
          path, [.readOnly, .nonBlocking], mode: 0, resolve: [.inRoot, .noMagicLinks]),
        let status = try? file.view.status(), status.type == .regular, status.size <= 1 << 20,
        let bytes = try? file.view.readToEnd()
      else { continue }
      return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map {
        $0.split(separator: ":", omittingEmptySubsequences: false)
      }
    }
    return []
  }
}
