import StrataArchive
import StrataFUSE
import StrataModel
import StrataSystem

/// What the kernel is told of the entries of a layer's tree; all of it for ever, since a layer never
/// changes.
struct TreeAnswers {
  let tree: LayerTree
  let index: LayerIndex

  private func id(_ entry: UInt32) -> NodeID { StoreNode.id(tree.slot, entry) }

  /// ESTALE for an entry that the index does not have.
  func attributes(_ entry: UInt32) throws(Errno) -> Attributes {
    guard let found = index.attributes(entry) else { throw .staleHandle }
    var attributes = Attributes(
      inode: id(entry).rawValue, mode: found.mode, size: found.size, linkCount: found.linkCount)
    attributes.uid = found.uid
    attributes.gid = found.gid
    attributes.representedDevice = found.device
    attributes.modificationTime = found.modificationTime
    attributes.accessTime = found.modificationTime
    attributes.changeTime = found.modificationTime
    return attributes
  }

  func entry(_ number: UInt32) throws(Errno) -> Entry {
    Entry(id(number), try attributes(number))
  }

  /// A name in a directory; a missing one is remembered too.
  func lookup(_ name: RawPath, in directory: UInt32) throws(Errno) -> Entry {
    guard let child = index.lookup(name, in: directory) else { return .absent(.forever) }
    return try entry(child)
  }

  // MARK: - Listings

  // Cookies: 1 behind `.`, 2 behind `..`, 3 + n behind the child at position n.

  func list(_ directory: UInt32, after offset: UInt64, _ reply: consuming DirectoryReply) {
    guard let attributes = index.attributes(directory), attributes.type == .directory else {
      return reply.fail(.notADirectory)
    }
    var reply = reply
    var cookie = offset
    guard appendDots(directory, attributes.parent, &cookie, into: &reply) else {
      return reply.send()
    }
    while cookie >= 2, let child = index.child(at: Int(clamping: cookie - 2), of: directory) {
      guard
        reply.append(
          child.name, inode: id(child.entry).rawValue, type: child.type, next: cookie + 1)
      else { break }
      cookie += 1
    }
    reply.send()
  }

  func listPlus(_ directory: UInt32, after offset: UInt64, _ reply: consuming DirectoryPlusReply) {
    guard let attributes = index.attributes(directory), attributes.type == .directory else {
      return reply.fail(.notADirectory)
    }
    var reply = reply
    var cookie = offset
    guard appendDots(directory, attributes.parent, &cookie, into: &reply) else {
      reply.send()
      return
    }
    while cookie >= 2, let child = index.child(at: Int(clamping: cookie - 2), of: directory),
      let entry = try? entry(child.entry)
    {
      guard reply.append(child.name, entry, next: cookie + 1) else { break }
      cookie += 1
    }
    _ = reply.send()
  }

  /// `.` and `..`, where the listing has not passed them; false if there was no room.
  private func appendDots(
    _ directory: UInt32, _ parent: UInt32, _ cookie: inout UInt64,
    into reply: inout some ListingReply & ~Copyable
  ) -> Bool {
    for (number, name) in [(UInt64(0), RawPath(".")), (1, "..")] where cookie == number {
      let inode = number == 0 ? directory : parent
      guard reply.append(name, inode: id(inode).rawValue, type: .directory, next: cookie + 1)
      else { return false }
      cookie += 1
    }
    return true
  }

  // MARK: - Extended attributes

  private static let opaqueNames: [RawPath] = ["trusted.overlay.opaque", "user.overlay.opaque"]

  private func isOpaque(_ entry: UInt32) -> Bool {
    index.attributes(entry)?.flags.contains(.opaque) ?? false
  }

  /// ENODATA for one that there is not.
  func xattr(_ name: RawPath, of entry: UInt32) throws(Errno) -> [UInt8] {
    if Self.opaqueNames.contains(name) {
      // Only what the layer's whiteouts say: a layer cannot bring these itself.
      guard isOpaque(entry) else { throw .noData }
      return [UInt8(ascii: "y")]
    }
    guard let found = index.xattrs(entry).first(where: { $0.name.elementsEqual(name.bytes) }) else {
      throw .noData
    }
    return found.value
  }

  func xattrNames(of entry: UInt32) -> [RawPath] {
    (isOpaque(entry) ? Self.opaqueNames : []) + index.xattrs(entry).map { RawPath($0.name) }
  }
}
