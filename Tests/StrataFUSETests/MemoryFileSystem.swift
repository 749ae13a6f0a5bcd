import StrataFUSE
import StrataSystem
import Synchronization

/// A small tree in memory, for tests that mount for real: enough of everything to see that each kind
/// of request arrives and its reply is understood.
final class MemoryFileSystem: FileSystem {
  private struct Node {
    var attributes: Attributes
    var bytes: [UInt8] = []
    var children: [RawPath: UInt64] = [:]
    var xattrs: [RawPath: [UInt8]] = [:]
    var lookups: UInt64 = 0
  }

  private struct Tree {
    var nodes: [UInt64: Node] = [
      1: Node(attributes: Attributes(inode: 1, mode: 0o040755, linkCount: 2))
    ]
    var last: UInt64 = 1
  }

  private let tree = Mutex(Tree())
  /// How often each kind of request came.
  let counts = Mutex<[String: Int]>([:])

  private func count(_ name: String = #function) {
    let key = String(name.prefix { $0 != "(" })
    counts.withLock { $0[key, default: 0] += 1 }
  }

  /// How many nodes the kernel still holds, the root left out.
  var heldNodes: Int {
    tree.withLock { tree in tree.nodes.filter { $0.key != 1 && $0.value.lookups > 0 }.count }
  }

  private func change<Result>(
    _ node: NodeID, _ body: (inout Node) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    try tree.withLock { tree throws(Errno) -> Result in
      guard var found = tree.nodes[node.rawValue] else { throw .staleHandle }
      let result = try body(&found)
      tree.nodes[node.rawValue] = found
      return result
    }
  }

  private func entry(_ id: UInt64, in tree: inout Tree) -> Entry {
    tree.nodes[id]?.lookups += 1
    return Entry(
      NodeID(rawValue: id), tree.nodes[id]?.attributes ?? Attributes(inode: id, mode: 0))
  }

  private func make(
    _ name: RawPath, in parent: NodeID, mode: UInt32, _ context: RequestContext,
    bytes: [UInt8] = []
  ) throws(Errno) -> Entry {
    try tree.withLock { tree throws(Errno) -> Entry in
      guard let directory = tree.nodes[parent.rawValue] else { throw .staleHandle }
      if directory.children[name] != nil { throw .fileExists }
      tree.last += 1
      var attributes = Attributes(
        inode: tree.last, mode: mode & ~context.umask, size: Int64(bytes.count))
      (attributes.uid, attributes.gid) = (context.uid, context.gid)
      tree.nodes[tree.last] = Node(attributes: attributes, bytes: bytes)
      tree.nodes[parent.rawValue]?.children[name] = tree.last
      return entry(tree.last, in: &tree)
    }
  }

  // MARK: - Names

  func lookup(
    _ name: RawPath, in parent: NodeID, _ context: RequestContext, _ reply: consuming EntryReply
  ) {
    count()
    reply.send(
      tree.withLock { tree in
        guard let id = tree.nodes[parent.rawValue]?.children[name] else { return .absent(.forever) }
        return entry(id, in: &tree)
      })
  }

  func forget(_ node: NodeID, count: UInt64) {
    tree.withLock { $0.nodes[node.rawValue]?.lookups -= count }
  }

  func makeDirectory(
    _ name: RawPath, in parent: NodeID, mode: UInt32, _ context: RequestContext,
    _ reply: consuming EntryReply
  ) {
    reply.answer { () throws(Errno) in
      try make(name, in: parent, mode: 0o040000 | mode, context)
    }
  }

  func makeSymlink(
    _ name: RawPath, in parent: NodeID, target: RawPath, _ context: RequestContext,
    _ reply: consuming EntryReply
  ) {
    reply.answer { () throws(Errno) in
      try make(name, in: parent, mode: 0o120777, context, bytes: Array(target.bytes))
    }
  }

  func readLink(_ node: NodeID, _ context: RequestContext, _ reply: consuming DataReply) {
    reply.answer { () throws(Errno) in try change(node) { RawPath($0.bytes) } }
  }

  func unlink(
    _ name: RawPath, in parent: NodeID, _ context: RequestContext, _ reply: consuming EmptyReply
  ) {
    reply.answer { () throws(Errno) in try remove(name, in: parent) }
  }

  func removeDirectory(
    _ name: RawPath, in parent: NodeID, _ context: RequestContext, _ reply: consuming EmptyReply
  ) {
    reply.answer { () throws(Errno) in try remove(name, in: parent) }
  }

  private func remove(_ name: RawPath, in parent: NodeID) throws(Errno) {
    let removed = try change(parent) { $0.children.removeValue(forKey: name) }
    if removed == nil { throw .noSuchFileOrDirectory }
  }

  func rename(
    _ name: RawPath, in parent: NodeID, to newName: RawPath, in newParent: NodeID,
    _ flags: RenameFlags, _ context: RequestContext, _ reply: consuming EmptyReply
  ) {
    reply.answer { () throws(Errno) in
      if flags.contains(.noReplace), try change(newParent, { $0.children[newName] }) != nil {
        throw .fileExists
      }
      guard let id = try change(parent, { $0.children.removeValue(forKey: name) }) else {
        throw .noSuchFileOrDirectory
      }
      try change(newParent) { $0.children[newName] = id }
    }
  }
}

// MARK: - Attributes

extension MemoryFileSystem {
  func attributes(
    of node: NodeID, handle: UInt64?, _ context: RequestContext, _ reply: consuming AttributesReply
  ) {
    count()
    reply.answer { () throws(Errno) in try change(node) { $0.attributes } }
  }

  func setAttributes(
    of node: NodeID, _ changes: AttributeChanges, _ context: RequestContext,
    _ reply: consuming AttributesReply
  ) {
    count()
    reply.answer { () throws(Errno) in
      try change(node) { node in
        if let mode = changes.mode {
          node.attributes.mode = node.attributes.mode & 0o170000 | mode
        }
        if let uid = changes.uid { node.attributes.uid = uid }
        if let gid = changes.gid { node.attributes.gid = gid }
        if let size = changes.size {
          let missing = max(0, Int(size) - node.bytes.count)
          node.bytes = Array(node.bytes.prefix(Int(size))) + [UInt8](repeating: 0, count: missing)
          node.attributes.size = size
        }
        if case .to(let time) = changes.modificationTime {
          node.attributes.modificationTime = time
        }
        return node.attributes
      }
    }
  }

  func fileSystemStatus(
    _ node: NodeID, _ context: RequestContext, _ reply: consuming FileSystemStatusReply
  ) {
    reply.answer { () throws(Errno) in
      let directory = try FileDescriptor.workingDirectory.open("/", [.readOnly, .directory])
      return try directory.view.fileSystemStatus()
    }
  }

  func xattr(
    _ name: RawPath, of node: NodeID, _ context: RequestContext, _ reply: consuming XattrReply
  ) {
    count()
    reply.answer { () throws(Errno) in
      guard let value = try change(node, { $0.xattrs[name] }) else { throw .noData }
      return value
    }
  }

  func setXattr(
    _ name: RawPath, of node: NodeID, _ value: [UInt8], _ setting: XattrSetting,
    dropSetGroupID: Bool, _ context: RequestContext, _ reply: consuming EmptyReply
  ) {
    reply.answer { () throws(Errno) in try change(node) { $0.xattrs[name] = value } }
  }

  func xattrNames(of node: NodeID, _ context: RequestContext, _ reply: consuming XattrReply) {
    reply.answer(names: { () throws(Errno) in try change(node) { $0.xattrs.keys.sorted() } })
  }
}

// MARK: - Files and listings

extension MemoryFileSystem {
  func create(
    _ name: RawPath, in parent: NodeID, mode: UInt32, _ request: OpenRequest,
    _ context: RequestContext, _ reply: consuming CreateReply
  ) {
    count()
    reply.answer { () throws(Errno) in
      (try make(name, in: parent, mode: 0o100000 | mode, context), OpenResult(handle: 1))
    }
  }

  func open(
    _ node: NodeID, _ request: OpenRequest, _ context: RequestContext, _ reply: consuming OpenReply
  ) {
    count()
    reply.send(OpenResult(handle: 1, modes: .keepCache))
  }

  func read(_ request: ReadRequest, _ context: RequestContext, _ reply: consuming DataReply) {
    count()
    do throws(Errno) {
      let bytes = try change(request.node) { node in
        Array(node.bytes.dropFirst(Int(request.offset)).prefix(request.count))
      }
      reply.send(bytes.rawSpan)
    } catch { reply.fail(error) }
  }

  func write(
    _ request: WriteRequest, _ data: RawSpan, _ context: RequestContext,
    _ reply: consuming CountReply
  ) {
    count()
    let bytes = (0..<data.byteCount).map { data.byte(at: $0) }
    reply.answer { () throws(Errno) in
      try change(request.node) { node in
        let end = Int(request.offset) + bytes.count
        let missing = max(0, end - node.bytes.count)
        node.bytes.append(contentsOf: [UInt8](repeating: 0, count: missing))
        node.bytes.replaceSubrange(Int(request.offset)..<end, with: bytes)
        node.attributes.size = Int64(node.bytes.count)
        return bytes.count
      }
    }
  }

  private func listing(_ node: NodeID) throws(Errno) -> [(RawPath, UInt64)] {
    try change(node) { $0.children.sorted { $0.key < $1.key } }
  }

  func readDirectory(
    _ node: NodeID, handle: UInt64, after offset: UInt64, _ context: RequestContext,
    _ reply: consuming DirectoryReply
  ) {
    count()
    do throws(Errno) {
      for (index, (name, id)) in try listing(node).enumerated().dropFirst(Int(offset)) {
        let type = FileType(
          mode: try change(NodeID(rawValue: id)) { node throws(Errno) in node.attributes.mode })
        guard reply.append(name, inode: id, type: type, next: UInt64(index + 1)) else { break }
      }
      reply.send()
    } catch { reply.fail(error) }
  }

  func readDirectoryPlus(
    _ node: NodeID, handle: UInt64, after offset: UInt64, _ context: RequestContext,
    _ reply: consuming DirectoryPlusReply
  ) {
    count()
    do throws(Errno) {
      for (index, (name, id)) in try listing(node).enumerated().dropFirst(Int(offset)) {
        guard reply.hasRoom(for: name) else { break }
        let found = tree.withLock { tree in self.entry(id, in: &tree) }
        _ = reply.append(name, found, next: UInt64(index + 1))
      }
      reply.send()
    } catch { reply.fail(error) }
  }
}
