package import StrataFUSE
package import StrataSystem

extension MergedTree {
  /// Answers GETATTR.
  package func attributes(of id: NodeID) throws(Errno) -> Attributes {
    let slot = try table.slot(of: id)
    return shown(try status(of: slot), of: slot)
  }

  /// The node's status in its layer, with overridden values in place.
  func status(of slot: Slot) throws(Errno) -> FileStatus {
    if isDirectory(slot) { return try directoryStatus(slot) }
    let side = existingFileSide(slot)
    if let open = side?.writer ?? side?.reader, side?.data == nil {
      let raw = try open.view.status()
      return overridden(raw, open.view, layer: table[slot].layer)
    }
    if table[slot].flags.contains(.orphan) {
      if side?.remains != nil, side?.data == nil, let open = try? reader(slot) {
        return overridden(try open.view.status(), open.view, layer: table[slot].layer)
      }
      guard let last = side?.lastStatus else { throw .noSuchFileOrDirectory }
      return last
    }
    let place = try location(of: slot)
    let raw = try place.directory.view.status(of: place.name)
    return overridden(raw, place.name, in: table[slot].parent, table[slot].layer, nil)
  }

  private func directoryStatus(_ slot: Slot) throws(Errno) -> FileStatus {
    let side = try directory(slot)
    if let last = side.lastStatus { return last }
    if let open = side.layers[0].descriptor {
      return overridden(try open.view.status(), open.view, layer: table[slot].layer)
    }
    guard slot != .root else { throw .inputOutputError }
    let place = try directoryPlace(slot, side)
    let raw = try place.directory.view.status(of: place.name)
    return overridden(
      raw, place.name, place.directory.view, layer: side.layers[0].layer)
  }

  /// Where a directory's topmost part lies.
  private func directoryPlace(
    _ slot: Slot, _ side: DirectorySide
  ) throws(Errno) -> (directory: SharedDescriptor, name: RawPath) {
    let layer = side.layers[0].layer
    if side.layers[0].path != nil {
      return (try descriptor(of: slot, at: 0), ".")
    }
    return (try descriptor(of: table[slot].parent, layer: layer), table.name(of: slot))
  }

  // MARK: - What is shown

  /// What a user of the mount sees of a node whose file has this status.
  func shown(_ status: FileStatus, of slot: Slot) -> Attributes {
    var attributes = Attributes(status)
    attributes.inode = table[slot].inode
    let mapping = layer(of: slot).mapping
    attributes.uid = squashUID ?? mapping.shownUID(status.uid)
    attributes.gid = squashGID ?? mapping.shownGID(status.gid)
    if let side = sides.directory(table[slot].side) {
      if side.layers.count > 1 || options.staticLinkCount { attributes.linkCount = 1 }
    }
    return attributes
  }

  /// The status with the layer's overridden owner and mode, if it keeps such; through an open file.
  func overridden(
    _ status: FileStatus, _ open: FileDescriptor, layer: UInt16
  ) -> FileStatus {
    guard let attribute = layers[Int(layer)].override,
      let value = (try? open.xattr(attribute)).flatMap({ OverrideStat($0) })
    else { return status }
    var result = status
    value.apply(to: &result)
    return result
  }

  /// As above by name.
  func overridden(
    _ status: FileStatus, _ name: RawPath, _ directory: FileDescriptor, layer: UInt16
  ) -> FileStatus {
    guard let attribute = layers[Int(layer)].override, status.type != .symlink,
      let value = (try? directory.xattr(attribute, of: name)).flatMap({ OverrideStat($0) })
    else { return status }
    var result = status
    value.apply(to: &result)
    return result
  }

  /// As above for a child of a node.
  func overridden(
    _ status: FileStatus, _ name: RawPath, in parent: Slot, _ layer: UInt16,
    _ open: SharedDescriptor?
  ) -> FileStatus {
    guard layers[Int(layer)].override != nil else { return status }
    if let open { return overridden(status, open.view, layer: layer) }
    guard let directory = try? descriptor(of: parent, layer: layer) else { return status }
    return overridden(status, name, directory.view, layer: layer)
  }

  /// Answers STATFS: the numbers of the layer that is written to, or of the topmost lower.
  package func fileSystemStatus() throws(Errno) -> FileSystemStatus {
    try layers[0].root.view.fileSystemStatus()
  }

  /// Answers READLINK.
  package func readLink(_ id: NodeID) throws(Errno) -> RawPath {
    let slot = try table.slot(of: id)
    guard table[slot].type == .symlink else { throw .invalidArgument }
    let place = try location(of: slot)
    return try place.directory.view.readLink(place.name)
  }
}
