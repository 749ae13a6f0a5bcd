package import StrataFUSE
package import StrataSystem

extension MergedTree {
  /// Memory for all indexes together; the least used go when it is full.
  private static let indexLimit = 32 << 20

  // MARK: - The index of a directory

  /// Makes the directory's index if there is none: one listing of each layer that has it.
  ///
  /// EFBIG where a layer has more than `limit` entries in it.
  func ensureIndex(
    _ slot: Slot, _ side: DirectorySide, limit: Int = .max
  ) throws(Errno) {
    indexClock += 1
    side.indexUse = indexClock
    if side.index != nil { return }
    var builder = DirectoryIndexBuilder(upper: hasUpper ? 0 : nil, seed: seed)
    for position in side.layers.indices {
      try list(slot, side, position, limit, into: &builder)
    }
    counters.indexesBuilt += 1
    var index = builder.build()
    if side.isImpure { try numberByOrigin(&index, slot) }
    makeRoom(for: index.byteCount)
    indexBytes += index.byteCount
    side.index = index
    indexed.insert(slot)
    if side.isImpure { try numberDirectories(index, slot, side) }
  }

  /// Lists one layer's directory into the builder.
  ///
  /// Whiteouts of all kinds are seen in the same pass.
  private func list(
    _ slot: Slot, _ side: DirectorySide, _ position: Int, _ limit: Int,
    into builder: inout DirectoryIndexBuilder
  ) throws(Errno) {
    let open = try descriptor(of: slot, at: position)
    let layer = side.layers[position].layer
    let device = layers[Int(layer)].device
    let xattrs = try mayHaveXattrWhiteouts(slot, side, at: position)
    let entries = try Self.entries(of: open.view, limit)
    for entry in entries {
      if let target = MarkerFile.target(of: entry.name),
        entry.type == .regular || entry.type == .unknown || entry.name == MarkerFile.opaque
      {
        let type = entry.type == .unknown ? try open.view.status(of: entry.name).type : entry.type
        if isMarker(entry.name, type: type, in: open.view) {
          if entry.name != MarkerFile.opaque { builder.addMarker(for: target, layer: layer) }
          continue
        }
      }
      var type = entry.type
      let mayHide = type == .characterDevice || type == .unknown || (xattrs && type == .regular)
      if mayHide || layers[Int(layer)].override != nil {
        guard let status = try? open.view.status(of: entry.name) else { continue }
        if isWhiteout(entry.name, status, in: open.view, xattrs: xattrs) {
          builder.addWhiteout(entry.name, layer: layer)
          continue
        }
        type = overridden(status, entry.name, open.view, layer: layer).type
      }
      builder.add(
        entry.name, type: type, inode: inodes.number(entry.inode, on: device), layer: layer)
    }
  }

  /// All names of a directory that is open, for listing or only for looking names up.
  private static func entries(
    of open: FileDescriptor, _ limit: Int
  ) throws(Errno) -> [DirectoryEntry] {
    var result: [DirectoryEntry] = []
    do throws(Errno) {
      try open.forEachEntry({ (entry: DirectoryEntry) throws(Errno) in
        if result.count >= limit { throw .fileTooLarge }
        result.append(entry)
      }) {
        $0
      }
      return result
    } catch  where error == .badFileDescriptor {
      return try open.entries()
    }
  }

  /// Upper children of an impure directory are listed under the numbers of their lowers.
  private func numberByOrigin(_ index: inout DirectoryIndex, _ slot: Slot) throws(Errno) {
    var cookie: UInt64 = 0
    while let entry = index.next(after: cookie) {
      cookie = entry.cookie
      guard entry.flags.contains(.upper), entry.type != .directory else { continue }
      let name = index.name(of: entry)
      if let node = known(name, in: slot) {
        let number = table[node].inode
        index.update(name) { $0.inode = number }
      } else if let number = try originNumber(of: name, in: slot, type: entry.type) {
        index.update(name) { $0.inode = number }
      }
    }
  }

  /// Upper directories that were renamed continue in the lowers under another name, whose number they show.
  private func numberDirectories(
    _ index: DirectoryIndex, _ slot: Slot, _ side: DirectorySide
  ) throws(Errno) {
    var directories: [(RawPath, DirectoryIndex.Entry)] = []
    var position = index.position(after: 0)
    while let entry = index.next(from: &position) {
      guard entry.flags.contains(.upper), entry.type == .directory else { continue }
      directories.append((index.name(of: entry), entry))
    }
    for (name, entry) in directories {
      guard let (node, _) = try resolve(name, entry, in: slot, side) else { continue }
      let number = table[node].inode
      side.index?.update(name) { $0.inode = number }
      release(node)
    }
  }

  /// Drops the least used indexes until `bytes` more fit.
  private func makeRoom(for bytes: Int) {
    guard indexBytes + bytes > Self.indexLimit else { return }
    let oldest = indexed.compactMap { slot -> (Slot, DirectorySide)? in
      sides.directory(table[slot].side).map { (slot, $0) }
    }.sorted { $0.1.indexUse < $1.1.indexUse }
    indexBytes = oldest.reduce(0) { $0 + ($1.1.index?.byteCount ?? 0) }
    for (slot, side) in oldest {
      if indexBytes + bytes <= Self.indexLimit * 3 / 4 { return }
      dropIndex(slot, side)
    }
  }

  /// Counts a new name, so that indexes that grow are bounded as well; what an entry takes is
  /// measured when it matters.
  func accountForGrowth() {
    indexBytes += 64
    makeRoom(for: 0)
  }

  func dropIndex(_ slot: Slot, _ side: DirectorySide) {
    dropPrepared(slot, side)
    guard let index = side.index else { return }
    indexBytes = max(0, indexBytes - index.byteCount)
    side.index = nil
    indexed.remove(slot)
  }

  // MARK: - Listing

  /// One name of a listing.
  private struct Listed {
    var name: RawPath
    var inode: UInt64
    var type: FileType
    var cookie: UInt64
  }

  /// Answers READDIR.
  package func readDirectory(
    _ id: NodeID, after offset: UInt64, into reply: inout DirectoryReply
  ) throws(Errno) {
    let (slot, side) = try listable(id)
    var cookie = offset
    while let next = listed(after: cookie, slot, side) {
      guard reply.append(next.name, inode: next.inode, type: next.type, next: next.cookie) else {
        return
      }
      cookie = next.cookie
    }
  }

  /// Answers READDIRPLUS.
  ///
  /// The nodes whose lookup was counted are added to `counted`, for the case that the reply is not
  /// taken.
  package func readDirectoryPlus(
    _ id: NodeID, after offset: UInt64, into reply: inout DirectoryPlusReply,
    counted: inout [NodeID]
  ) throws(Errno) {
    let (slot, side) = try listable(id)
    var cookie = offset
    while cookie < 2, let dots = listed(after: cookie, slot, side) {
      guard reply.append(dots.name, inode: dots.inode, type: dots.type, next: dots.cookie) else {
        return
      }
      cookie = dots.cookie
    }
    guard let index = side.index else { return }
    var prepared = PreparedEntries(side, index)
    var position = index.position(after: cookie)
    while let entry = index.next(from: &position) {
      let name = index.name(of: entry)
      guard reply.hasRoom(for: name) else { return }
      guard
        let (node, status) = prepared.take(entry, in: table)
          ?? (try? resolve(name, entry, in: slot, side))
      else {
        _ = reply.append(name, inode: entry.inode, type: entry.type, next: entry.cookie)
        continue
      }
      _ = reply.append(name, self.entry(node, status), next: entry.cookie)
      counted.append(table.id(of: node))
    }
    dropPrepared(slot, side)
  }

  private func listable(_ id: NodeID) throws(Errno) -> (Slot, DirectorySide) {
    let slot = try table.slot(of: id)
    let side = try directory(slot)
    if table[slot].flags.contains(.orphan) { throw .noSuchFileOrDirectory }
    try ensureIndex(slot, side)
    side.index?.mergeTail()
    return (slot, side)
  }

  private func listed(after cookie: UInt64, _ slot: Slot, _ side: DirectorySide) -> Listed? {
    if cookie == 0 {
      return Listed(name: ".", inode: table[slot].inode, type: .directory, cookie: 1)
    }
    if cookie == 1 {
      let above = slot == .root ? slot : table[slot].parent
      return Listed(name: "..", inode: table[above].inode, type: .directory, cookie: 2)
    }
    guard let index = side.index, let entry = index.next(after: cookie) else { return nil }
    return Listed(
      name: index.name(of: entry), inode: entry.inode, type: entry.type, cookie: entry.cookie)
  }

  /// Whether a user sees nothing in the directory.
  func isEmpty(_ slot: Slot) throws(Errno) -> Bool {
    let side = try directory(slot)
    try ensureIndex(slot, side)
    return side.index?.visibleCount == 0
  }
}
