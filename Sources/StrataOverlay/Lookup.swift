package import StrataFUSE
package import StrataSystem

/// Where a name leads before it has a node.
enum Found {
  /// Not a directory: the layer that has it, and its status if that was asked for already.
  case file(UInt16, FileStatus?)
  /// The layers whose directories of this name may merge, topmost first.
  case directory([UInt16])
}

extension MergedTree {
  /// Answers LOOKUP: the name's entry, with one lookup counted, or nil if there is no such name.
  package func lookup(_ name: RawPath, in parentID: NodeID) throws(Errno) -> Entry? {
    let parent = try table.slot(of: parentID)
    guard let (slot, status) = try resolve(name, in: parent) else { return nil }
    return entry(slot, status)
  }

  /// The entry that tells the kernel of a node; counts a lookup.
  func entry(_ slot: Slot, _ status: FileStatus) -> Entry {
    table[slot].lookups += 1
    return Entry(
      table.id(of: slot), shown(status, of: slot), entryLifetime: lifetime,
      attributeLifetime: lifetime)
  }

  /// The node and status of a name; nil if no layer shows one.
  func resolve(_ name: RawPath, in parent: Slot) throws(Errno) -> (Slot, FileStatus)? {
    let side = try directory(parent)
    if name == "." { return (parent, try status(of: parent)) }
    if name == ".." {
      let above = parent == .root ? parent : table[parent].parent
      return (above, try status(of: above))
    }
    if name.count > 255 { throw .nameTooLong }
    if table[parent].flags.contains(.orphan) { return nil }
    if let slot = known(name, in: parent) {
      counters.namesKnown += 1
      do throws(Errno) {
        return (slot, try status(of: slot))
      } catch  where error == .noSuchFileOrDirectory {
        // Somebody else changed the layer: begin anew with this name.
        vanished(from: table[slot].layer)
        detach(slot, name, in: parent)
      }
    }
    guard let found = try find(name, in: parent, side) else { return nil }
    do throws(Errno) {
      return try makeNode(name, in: parent, found)
    } catch  where error == .noSuchFileOrDirectory {
      // The index knows of something that is gone: once more with a new one.
      vanished(from: touched)
      dropIndex(parent, side)
      guard let found = try find(name, in: parent, side) else { return nil }
      do throws(Errno) {
        return try makeNode(name, in: parent, found)
      } catch  where error == .noSuchFileOrDirectory { throw .inputOutputError }
    }
  }

  /// The node and status of a name that the directory's index lists; nil if no layer shows it.
  func resolve(
    _ name: RawPath, _ entry: DirectoryIndex.Entry, in parent: Slot, _ side: DirectorySide
  ) throws(Errno) -> (Slot, FileStatus)? {
    if known(name, in: parent) != nil { return try resolve(name, in: parent) }
    guard let found = found(entry, side) else { return nil }
    return try makeNode(name, in: parent, found)
  }

  /// Looks a name up in the layers: in the index where the directory is merged, by one statx where
  /// only one layer has it.
  func find(_ name: RawPath, in parent: Slot, _ side: DirectorySide) throws(Errno) -> Found? {
    if side.layers.count > 1 { try ensureIndex(parent, side) }
    if side.index != nil { return findIndexed(name, in: parent, side) }
    counters.namesAsked += 1
    let only = side.layers[0]
    let directory = try descriptor(of: parent, at: 0)
    let status: FileStatus
    do throws(Errno) {
      status = try directory.view.status(of: name)
    } catch  where error == .noSuchFileOrDirectory {
      return nil
    }
    let mayHide = status.type == .regular && status.size == 0
    let xattrs = mayHide ? try mayHaveXattrWhiteouts(parent, side, at: 0) : false
    if isWhiteout(name, status, in: directory.view, xattrs: xattrs)
      || isMarker(name, type: status.type, in: directory.view)
    {
      return nil
    }
    return status.type == .directory ? .directory([only.layer]) : .file(only.layer, status)
  }

  private func findIndexed(_ name: RawPath, in parent: Slot, _ side: DirectorySide) -> Found? {
    counters.namesIndexed += 1
    indexClock += 1
    side.indexUse = indexClock
    return side.index?.entry(name).flatMap { found($0, side) }
  }

  /// Where an entry of the directory's index leads.
  private func found(_ entry: DirectoryIndex.Entry, _ side: DirectorySide) -> Found? {
    guard entry.isVisible else { return nil }
    let upper = entry.flags.contains(.upper)
    if entry.type != .directory { return .file(upper ? 0 : entry.lowerLayer, nil) }
    if !upper { return .directory(side.index?.lowerDirectories(of: entry) ?? []) }
    let hidesLower = !entry.flags.isDisjoint(with: [.hidden, .opaque])
    return .directory(
      [0] + (hidesLower ? [] : side.index?.lowerDirectories(of: entry) ?? []))
  }

  /// Makes the node of a name that has none.
  func makeNode(_ name: RawPath, in parent: Slot, _ found: Found) throws(Errno)
    -> (Slot, FileStatus)?
  {
    switch found {
    case .directory(let chain): try makeDirectoryNode(name, in: parent, chain)
    case .file(let layer, let status): try makeFileNode(name, in: parent, layer, status)
    }
  }

  private func makeDirectoryNode(
    _ name: RawPath, in parent: Slot, _ chain: [UInt16]
  ) throws(Errno) -> (Slot, FileStatus)? {
    let resolved = try resolveLayers(name, in: parent, chain)
    guard let top = resolved.layers.first else { return nil }
    let raw = try status(of: name, in: parent, layer: top.layer, top.descriptor)
    let slot = table.insert(name, in: parent, type: .directory)
    let side = DirectorySide(resolved.layers)
    side.isImpure = resolved.isImpure
    side.redirect = resolved.redirect
    table[slot].side = sides.add(side)
    table[slot].layer = top.layer
    if hasUpper, top.layer == 0 { table[slot].flags.insert(.upper) }
    noteProtection(slot, raw)
    // All are taken out first: one that is not counted yet must not be closed as the oldest.
    let descriptors = side.layers.map(\.descriptor)
    for position in side.layers.indices { side.layers[position].descriptor = nil }
    for (position, descriptor) in descriptors.enumerated() {
      if let descriptor { keep(descriptor, of: slot, side, at: position) }
    }
    table[slot].inode = inodes.number(of: raw)
    if hasUpper, top.layer == 0, side.layers.count > 1 {
      let lower = try descriptor(of: slot, at: 1)
      table[slot].inode = inodes.number(of: try lower.view.status())
    }
    return (slot, overridden(raw, name, in: parent, top.layer, top.descriptor))
  }

  /// The status on disk of a name in a layer, through the object's own descriptor where it is open.
  private func status(
    of name: RawPath, in parent: Slot, layer: UInt16, _ open: SharedDescriptor?
  ) throws(Errno) -> FileStatus {
    if let open { return try open.view.status() }
    return try descriptor(of: parent, layer: layer).view.status(of: name)
  }

  private func makeFileNode(
    _ name: RawPath, in parent: Slot, _ layer: UInt16, _ given: FileStatus?
  ) throws(Errno) -> (Slot, FileStatus)? {
    let directory = try descriptor(of: parent, layer: layer)
    let raw: FileStatus
    if let given { raw = given } else { raw = try directory.view.status(of: name) }
    let shown = overridden(raw, name, in: parent, layer, nil)
    let upper = hasUpper && layer == 0
    let number = inodes.number(of: raw)
    // One of several links is found by what the others are known as, though it may be the last by now.
    if upper, !hardLinks.isEmpty, let slot = hardLinks[number] {
      addAlias(slot, name, in: parent)
      return (slot, shown)
    }
    let slot = table.insert(name, in: parent, type: shown.type)
    table[slot].layer = layer
    table[slot].inode = number
    if upper { table[slot].flags.insert(.upper) }
    noteProtection(slot, raw)
    if upper {
      if raw.linkCount > 1 { registerHardLink(slot, key: number) }
      if let origin = try originNumber(of: name, in: parent, type: shown.type) {
        table[slot].inode = origin
        table[slot].flags.insert(.hasOrigin)
      }
    } else {
      if raw.linkCount > 1 { table[slot].flags.insert(.lowerHardLink) }
      if raw.size > Self.longFile { table[slot].flags.insert(.isLong) }
    }
    return (slot, shown)
  }

  // MARK: - Names of nodes

  /// Lets further names of an upper file find its node.
  func registerHardLink(_ slot: Slot, key: UInt64) {
    fileSide(slot).linkKey = key
    table[slot].flags.insert(.upperHardLink)
    hardLinks[key] = slot
  }

  /// Gives a node one more name.
  func addAlias(_ slot: Slot, _ name: RawPath, in parent: Slot) {
    if !table[slot].flags.contains(.keyed) {
      table.key(slot, name, in: parent)
      existingFileSide(slot)?.lastStatus = nil
      return
    }
    let alias = NodeAlias(parent: parent, name: name)
    fileSide(slot).aliases.append(alias)
    aliases[alias] = slot
    table[parent].references += 1
  }

  /// Takes a name from a node.
  ///
  /// If it was the primary one, the next alias takes its place; if it was the last, the node is an
  /// orphan from now on.
  func detach(_ slot: Slot, _ name: RawPath, in parent: Slot) {
    let alias = NodeAlias(parent: parent, name: name)
    if aliases[alias] == slot {
      aliases[alias] = nil
      existingFileSide(slot)?.aliases.removeAll { $0 == alias }
      table[parent].references -= 1
      release(parent)
      return
    }
    let old = table.unkey(slot)
    if let side = existingFileSide(slot), let next = side.aliases.popLast() {
      aliases[next] = nil
      table.key(slot, next.name, in: next.parent)
      table[next.parent].references -= 1
    }
    if old != .none {
      table[old].references -= 1
      release(old)
    }
    release(slot)
  }
}
