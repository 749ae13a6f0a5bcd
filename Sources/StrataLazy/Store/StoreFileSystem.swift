package import StrataFUSE
import StrataModel
package import StrataSystem
import Synchronization

/// The additional layer store as the kernel sees it: ROOT/<base64 reference>/<digest>/{diff,info,blob}.
///
/// Callers are podman and whatever mounts the trees; the protocol, with its answers of ENOENT to calls
/// that worked, is containers/storage's (lazy-layers 1.2 to 1.6). Directories of the store are 0700 and
/// of the daemon's user: whoever may walk them can make the daemon fetch with its credentials.
package final class StoreFileSystem: FileSystem {
  let store: LazyStore
  private let uid = effectiveUserID
  private let gid = effectiveGroupID

  package init(_ store: LazyStore) { self.store = store }

  package func negotiate(_ connection: inout Negotiation) {
    connection.maxWrite = 4096
    connection.maxBackground = 64
    connection.congestionThreshold = 48
  }

  // MARK: - Nodes

  func node(_ id: NodeID) throws(Errno) -> StoreNode {
    guard let node = StoreNode(id, store.slots) else { throw .staleHandle }
    return node
  }

  private func directory(_ id: NodeID) -> Attributes {
    var attributes = Attributes(
      inode: id.rawValue, mode: FileType.directory.modeBits | 0o700, linkCount: 2)
    (attributes.uid, attributes.gid) = (uid, gid)
    return attributes
  }

  private func file(_ id: NodeID, size: Int64) -> Attributes {
    var attributes = Attributes(
      inode: id.rawValue, mode: FileType.regular.modeBits | 0o400, size: size)
    (attributes.uid, attributes.gid) = (uid, gid)
    return attributes
  }

  // MARK: - Lookup

  package func lookup(
    _ name: RawPath, in parent: NodeID, _ context: RequestContext, _ reply: consuming EntryReply
  ) {
    let node: StoreNode
    do throws(Errno) {
      node = try self.node(parent)
      switch node {
      case .root: return send(try image(name), reply)
      case .image(let slot): return send(try layer(name, image: slot), reply)
      case .layer, .tree: break
      }
    } catch { return reply.fail(error) }
    switch node {
    case .tree(let slot, let entry):
      onTree(slot, reply) { answers, reply in
        reply.answer { () throws(Errno) in try answers.lookup(name, in: entry) }
      }
    case .layer(let slot, .directory) where name == "diff":
      onClaim(slot, reply) { store, image, claim throws(Errno) in
        let tree = try await store.diff(of: claim, image: image)
        return Entry(
          StoreNode.id(tree.slot),
          try TreeAnswers(tree: tree, index: try await store.index(of: tree))
            .attributes(LayerIndex.root))
      }
    case .layer(let slot, .directory) where name == "info":
      onClaim(slot, reply) { [self] store, image, claim throws(Errno) in
        let id = StoreNode.id(slot, StoreNode.LayerPart.info.rawValue)
        let size = Int64(await store.info(of: claim, image: image).count)
        return Entry(id, file(id, size: size), attributeLifetime: .none)
      }
    case .layer(let slot, .directory) where name == "blob":
      onClaim(slot, reply) { [self] _, _, claim throws(Errno) in
        let id = StoreNode.id(slot, StoreNode.LayerPart.blob.rawValue)
        return Entry(id, file(id, size: claim.descriptor.size))
      }
    default:
      // `use` above all: an answer that the kernel must not remember.
      reply.fail(.noSuchFileOrDirectory)
    }
  }

  /// EINVAL for a name that is no base 64 in the standard alphabet.
  private func image(_ name: RawPath) throws(Errno) -> NodeID {
    var bytes: [UInt8] = []
    guard !name.isEmpty, bytes.appendDecoded(base64: name.bytes), !bytes.contains(0),
      let reference = String(validating: bytes, as: UTF8.self)
    else { throw .invalidArgument }
    return StoreNode.id(try store.slots.slot(of: .image(reference: reference)))
  }

  /// EINVAL for a name that is no digest.
  private func layer(_ name: RawPath, image: UInt32) throws(Errno) -> NodeID {
    guard let text = name.string, let key = try? Digest(text) else { throw .invalidArgument }
    return StoreNode.id(try store.slots.slot(of: .layer(image: image, key: key)))
  }

  private func send(_ id: NodeID, _ reply: consuming EntryReply) {
    reply.send(Entry(id, directory(id)))
  }

  // MARK: - Attributes

  package func attributes(
    of node: NodeID, handle: UInt64?, _ context: RequestContext,
    _ reply: consuming AttributesReply
  ) {
    do throws(Errno) {
      switch try self.node(node) {
      case .root, .image, .layer(_, .directory): reply.send(directory(node))
      case .layer(let slot, .info):
        onClaim(slot, reply) { [self] store, image, claim throws(Errno) in
          file(node, size: Int64(await store.info(of: claim, image: image).count))
        }
      case .layer(let slot, .blob):
        onClaim(slot, reply) { [self] _, _, claim throws(Errno) in
          file(node, size: claim.descriptor.size)
        }
      case .tree(let slot, let entry):
        onTree(slot, reply) { answers, reply in
          reply.answer { () throws(Errno) in try answers.attributes(entry) }
        }
      }
    } catch { reply.fail(error) }
  }

  package func fileSystemStatus(
    _ node: NodeID, _ context: RequestContext, _ reply: consuming FileSystemStatusReply
  ) {
    reply.answer { () throws(Errno) in try store.fileSystemStatus() }
  }

  // MARK: - References

  package func create(
    _ name: RawPath, in parent: NodeID, mode: UInt32, _ request: OpenRequest,
    _ context: RequestContext, _ reply: consuming CreateReply
  ) {
    do throws(Errno) {
      guard case .layer(let slot, .directory) = try node(parent), name == "use" else {
        throw .operationNotPermitted
      }
      if let layer = store.slots.layer(slot) {
        store.uses.take(layer, request: context.unique)
      }
      // Counted, and refused: how a store says that it counts.
      throw .noSuchFileOrDirectory
    } catch { reply.fail(error) }
  }

  package func removeDirectory(
    _ name: RawPath, in parent: NodeID, _ context: RequestContext, _ reply: consuming EmptyReply
  ) {
    do throws(Errno) {
      guard case .image(let image) = try node(parent) else { throw .operationNotPermitted }
      let slot = StoreNode.slot(of: try layer(name, image: image))
      if let layer = store.slots.layer(slot) {
        store.uses.release(layer, request: context.unique)
      }
      // Also where nobody had it: podman warns of every other answer.
      throw .noSuchFileOrDirectory
    } catch { reply.fail(error) }
  }
}
