package import StrataFUSE
package import StrataSystem

extension MergedTree {
  /// The handle of an open that may change the file; 0 is one that may not.
  static let writingHandle: UInt64 = 1

  /// Answers OPEN: copies the file up if it may be changed.
  ///
  /// The handle only says which kind of open this is, since descriptors belong to nodes.
  package func open(
    _ id: NodeID, _ request: OpenRequest, _ context: RequestContext
  ) throws(Errno) -> OpenResult {
    let slot = try table.slot(of: id)
    if isDirectory(slot) { throw .isADirectory }
    guard table[slot].type == .regular else { throw .noSuchDeviceOrAddress }
    let truncates = request.flags.contains(.truncate)
    if request.writes {
      _ = try requireUpper()
      try requireOpenable(slot, request)
      try copyUp(slot, CopyChanges(size: truncates ? 0 : nil, keepsOpen: true))
      let file = try writer(slot)
      if truncates {
        if request.dropPrivileges { try dropPrivileges(slot, context) }
        try file.view.truncate(to: 0)
        staleAttributes.append(id)
      }
    } else {
      try prepareReading(slot, id)
    }
    return opened(slot, writes: request.writes)
  }

  /// Makes sure that the file can be read, and gives the kernel the whole of a small lower file before
  /// it asks: one request less, and the one for attributes too that follows a read.
  ///
  /// Safe since nobody has the file open (`Notifier.store`), and nobody can open it for writing before
  /// the tree's lock is free. Upper files are left alone: what was written is in the cache.
  private func prepareReading(_ slot: Slot, _ id: NodeID) throws(Errno) {
    if table[slot].flags.contains(.wasOpened) {
      if table[slot].flags.contains(.givenAhead) { noteOpen(slot) }
      return
    }
    let file = try reader(slot)
    table[slot].flags.insert(.wasOpened)
    noteOpen(slot)
    let side = fileSide(slot)
    guard !isUpper(slot), side.opens == 0, side.data == nil, lifetime != .none, let pages,
      !isPassedThrough(slot),
      let size = try? file.view.status().size, (1...Self.storedSize).contains(size)
    else { return }
    if let content = pages.content(of: file.view, count: Int(size)), pages.store(id, content) {
      storedFiles += 1
    }
  }

  /// Counts an open and says how the kernel is to treat it.
  ///
  /// While a node is open, each further open gets the same answer: the kernel refuses a mixture of
  /// cached and passed through with EIO. Upper files are passed through; lower ones only where they
  /// cannot be copied up, since the copy could not take over the opens (docs/adr/0026).
  func opened(_ slot: Slot, writes: Bool) -> OpenResult {
    let side = fileSide(slot)
    if side.opens == 0 { side.backing = openBacking(slot, side) }
    side.opens += 1
    if writes { side.writingOpens += 1 }
    let handle = writes ? Self.writingHandle : 0
    if side.backing != 0 {
      passthroughOpens += 1
      return OpenResult(handle: handle, modes: .passthrough, backing: side.backing)
    }
    // What was written past the cache must not be hidden by it.
    let keeps = lifetime != .none && !table[slot].flags.contains(.passedThrough)
    return OpenResult(handle: handle, modes: keeps ? .keepCache : [])
  }

  /// Above this size a lower file's first read costs more than asking the kernel to do it.
  static let longFile: Int64 = 64 << 10

  private func isPassedThrough(_ slot: Slot) -> Bool {
    guard backing != nil else { return false }
    return isUpper(slot) || (options.isReadOnly && table[slot].flags.contains(.isLong))
  }

  private func openBacking(_ slot: Slot, _ side: FileSide) -> Int32 {
    guard let backing, isPassedThrough(slot) else { return 0 }
    // The descriptor of a file whose data lie in a lower is the lower's: never to be written.
    guard let file = side.writer ?? (try? reader(slot)), side.data == nil else { return 0 }
    do throws(Errno) {
      let id = try backing.openBacking(file.view)
      table[slot].flags.insert(.passedThrough)
      return id
    } catch {
      if error == .operationNotPermitted { self.backing = nil }
      return 0
    }
  }

  /// The largest lower file that is given to the kernel when it is opened: reading more than is wanted
  /// costs less than a request up to about here.
  private static let storedSize: Int64 = 128 << 10

  /// One open of the node is gone.
  package func release(_ id: NodeID, handle: UInt64) {
    guard let slot = try? table.slot(of: id), let side = existingFileSide(slot), side.opens > 0
    else {
      return
    }
    side.opens -= 1
    if handle == Self.writingHandle { side.writingOpens -= 1 }
    guard side.opens == 0 else { return }
    if side.backing != 0 { backing?.closeBacking(side.backing) }
    side.backing = 0
    // Who holds a file without a name by O_PATH may open it again, until the kernel forgets it.
    if table[slot].flags.contains(.orphan) { return release(slot) }
    budget.drop(slot, side)
    if side.aliases.isEmpty, side.lastStatus == nil, side.data == nil, side.linkKey == nil {
      sides.remove(table[slot].side)
      table[slot].side = 0
    }
    release(slot)
  }

  /// The file to answer READ from.
  package func readable(_ id: NodeID) throws(Errno) -> SharedDescriptor {
    try reader(try table.slot(of: id))
  }

  /// The file to answer WRITE with.
  package func writable(
    _ id: NodeID, dropPrivileges: Bool, _ context: RequestContext
  ) throws(Errno) -> SharedDescriptor {
    let slot = try table.slot(of: id)
    if !isUpper(slot) { try copyUp(slot) }
    if dropPrivileges { try self.dropPrivileges(slot, context) }
    return try writer(slot)
  }

  /// What FSYNC is to make durable; nil if nothing is to be done.
  ///
  /// A lower file has nothing to write.
  package func fileToSync(_ id: NodeID) throws(Errno) -> SharedDescriptor? {
    guard options.syncs else { throw .noFunction }
    let slot = try table.slot(of: id)
    guard isUpper(slot) else { return nil }
    if isDirectory(slot) {
      return table[slot].flags.contains(.orphan) ? nil : try upperDescriptor(of: slot)
    }
    if let side = existingFileSide(slot), let open = side.writer ?? side.reader { return open }
    // Known and not open here: a descriptor that only reads can be synced as well.
    return try reader(slot)
  }

  /// Answers FALLOCATE.
  package func allocate(
    _ id: NodeID, mode: Int32, offset: Int64, length: Int64
  ) throws(Errno) {
    let slot = try table.slot(of: id)
    _ = try requireUpper()
    try requireMutable(slot)
    // FALLOC_FL_KEEP_SIZE alone changes no byte.
    if mode & ~1 != 0 { try requireUnprotected(slot) }
    if !isUpper(slot) { try copyUp(slot) }
    try writer(slot).view.allocate(mode: mode, offset: offset, length: length)
    staleAttributes.append(id)
  }

  /// Answers LSEEK for data and holes.
  package func seek(_ id: NodeID, offset: Int64, whence: Int32) throws(Errno) -> Int64 {
    try reader(try table.slot(of: id)).view.seek(offset, whence: whence)
  }

  /// The two files of COPY_FILE_RANGE.
  package func copyEnds(
    _ request: CopyRequest
  ) throws(Errno) -> (source: SharedDescriptor, destination: SharedDescriptor) {
    let destination = try table.slot(of: request.destination)
    _ = try requireUpper()
    try requireMutable(destination)
    if !isUpper(destination) { try copyUp(destination) }
    // The descriptor that reads is taken after the copy-up: the two may be one file.
    let source = try reader(try table.slot(of: request.source))
    return (source, try writer(destination))
  }
}
