import StrataArchive
import StrataModel
import StrataSystem

extension LayerIndexBuilder {
  /// The inode of a row, without its chunks.
  func inode(of entry: TOCEntry, _ name: IndexName) throws(StreamError) -> IndexTree.Inode {
    let type: FileType =
      switch entry.kind {
      case .directory: .directory
      case .symlink: .symlink
      case .characterDevice: .characterDevice
      case .blockDevice: .blockDevice
      case .fifo: .fifo
      case .regular, .hardLink, .chunk: .regular
      }
    guard (0..<Int64(UInt32.max)).contains(entry.uid), (0..<Int64(UInt32.max)).contains(entry.gid)
    else { throw IndexName.refusal("an owner that is none", name.bytes) }
    var inode = IndexTree.Inode(
      mode: type.modeBits | UInt32(truncatingIfNeeded: entry.mode) & 0o7777)
    inode.uid = UInt32(entry.uid)
    inode.gid = UInt32(entry.gid)
    inode.seconds = entry.modificationTime.seconds
    inode.nanoseconds = entry.modificationTime.nanoseconds
    if type == .regular { inode.size = entry.size }
    if type == .characterDevice || type == .blockDevice {
      guard let major = UInt32(exactly: entry.deviceMajor),
        let minor = UInt32(exactly: entry.deviceMinor)
      else { throw IndexName.refusal("a device number that is none", name.bytes) }
      // A layer makes whiteouts by their names, not by steering the overlay that shows it.
      if type == .characterDevice, major == 0, minor == 0 {
        throw IndexName.refusal("a character device 0:0", name.bytes)
      }
      inode.deviceMajor = major
      inode.deviceMinor = minor
    }
    if type == .symlink {
      let target = entry.linkName
      guard !target.isEmpty, target.count <= LayerLimit.pathBytes, !target.contains(0),
        targets.count < 1 << 31
      else { throw IndexName.refusal("a symbolic link to a name that is none", name.bytes) }
      inode.targetOffset = UInt32(targets.count)
      inode.size = Int64(target.count)
      targets.append(contentsOf: target)
    }
    try appendXattrs(of: entry, to: &inode, name)
    return inode
  }

  /// Attributes to the heap: lengths of name (2 bytes) and value (4), name, value.
  private func appendXattrs(
    of entry: TOCEntry, to inode: inout IndexTree.Inode, _ name: IndexName
  ) throws(StreamError) {
    let kept = entry.xattrs.filter { !PrivateXattr.isLeftOut($0.name) }
    if kept.isEmpty { return }
    let start = xattrs.count
    for xattr in kept {
      guard !xattr.name.isEmpty, xattr.name.count <= LayerLimit.nameBytes,
        !xattr.name.contains(0), xattr.value.count <= LayerLimit.xattrBytes
      else { throw IndexName.refusal("an attribute that no kernel takes", name.bytes) }
      xattrs.append(little: UInt16(xattr.name.count))
      xattrs.append(little: UInt32(xattr.value.count))
      xattrs.append(contentsOf: xattr.name)
      xattrs.append(contentsOf: xattr.value)
    }
    guard xattrs.count < 1 << 31 else { throw StreamError(.limit, "TOC: attributes of 2 GiB") }
    inode.xattrOffset = UInt32(start)
    inode.xattrLength = UInt32(xattrs.count - start)
  }
}

extension [UInt8] {
  /// Appends a number, its lowest byte first.
  mutating func append<Number: FixedWidthInteger>(little number: Number) {
    for shift in stride(from: 0, to: Number.bitWidth, by: 8) {
      append(UInt8(truncatingIfNeeded: number >> Number(shift)))
    }
  }

  mutating func append(_ value: SHA256Value) {
    append(contentsOf: value.bytes)
  }
}
