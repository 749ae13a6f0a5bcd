import StrataArchive
import StrataFUSE
import StrataModel
import StrataSystem

extension LazyStore {
  /// `diff` of a layer: its tree; ENOENT for a plain layer, and where the configuration does not trust
  /// the digest it was asked for by.
  ///
  /// A layer that is asked for by its blob's digest, and whose TOC is not known to belong to that blob,
  /// is completed whatever the configuration says: its digests go into other images' records.
  func diff(of claim: LayerClaim, image: UInt32) async throws(Errno) -> LayerTree {
    let binding = completion.binding(claim)
    let isClaimOnly = claim.keyKind == .blob && binding == nil
    if isClaimOnly, !options.trustsBlobDigests { throw .noSuchFileOrDirectory }
    let tree = try await tree(of: claim, image: image)
    let index = try await self.index(of: tree)
    remembered.remember(claim)
    if let binding {
      tree.status.change {
        $0.isVerified = true
        $0.plainSize = binding.plainSize
      }
    }
    if options.prefetches { prefetch.begin(tree, index) }
    if isClaimOnly || (options.backgroundFetch && binding == nil) {
      completion.begin(tree, index, claim)
    }
    return tree
  }

  /// `info` of a layer: the tar's size as it is known, or as the image claims, or 0.
  func info(of claim: LayerClaim, image: UInt32) async -> [UInt8] {
    let known = completion.binding(claim)?.plainSize
    return claim.info(plainSize: known ?? claim.chunked?.uncompressedSize ?? 0)
  }

  struct Name: Sendable {
    var name: RawPath
    var inode: UInt64
    var type: FileType
  }

  /// What a directory of the store lists: what was looked up, as the peer does.
  func names(in node: NodeID) -> [Name] {
    var names = [
      Name(name: ".", inode: node.rawValue, type: .directory),
      Name(name: "..", inode: NodeID.root.rawValue, type: .directory),
    ]
    switch StoreNode(node, slots) {
    case .root:
      names += slots.slots { slot, subject in
        guard case .image(let reference) = subject else { return nil }
        return Name(
          name: RawPath(SlotTable.encoded(reference)), inode: StoreNode.id(slot).rawValue,
          type: .directory)
      }
    case .image(let image):
      names += slots.slots { slot, subject in
        guard case .layer(image, let key) = subject else { return nil }
        return Name(
          name: RawPath(key.description), inode: StoreNode.id(slot).rawValue, type: .directory)
      }
    case .layer(let slot, .directory):
      names.append(Name(name: "diff", inode: StoreNode.id(slot, 3).rawValue, type: .directory))
      for (name, part) in [(RawPath("info"), StoreNode.LayerPart.info), ("blob", .blob)] {
        names.append(
          Name(name: name, inode: StoreNode.id(slot, part.rawValue).rawValue, type: .regular))
      }
    default: break
    }
    return names
  }
}

extension SlotTable {
  /// A layer's slot, as users of it are counted.
  func layer(_ slot: UInt32) -> UseCounts.Layer? {
    guard case .layer(let image, let key) = self[slot], case .image(let reference) = self[image]
    else { return nil }
    return UseCounts.Layer(path: "\(Self.encoded(reference))/\(key)", slot: slot)
  }

  /// All that were looked up.
  var layers: [UseCounts.Layer] { slots { slot, _ in slot }.compactMap { layer($0) } }

  /// The base 64 that a reference has below the mount.
  fileprivate static func encoded(_ reference: String) -> String {
    var text: [UInt8] = []
    text.appendBase64(of: Array(reference.utf8).rawSpan)
    return String(decoding: text, as: UTF8.self)
  }
}
