import StrataSystem

/// How many descriptors may be open, and which are.
///
/// Directories get at most half; the other half is for open files. The oldest go first, a quarter at
/// a time. Descriptors of nodes without a name cannot be opened again and are never closed.
package struct DescriptorBudget {
  let limit: Int
  var openDirectories = 0
  var openFiles = 0
  /// Directories that hold descriptors.
  var directories: Set<Slot> = []
  /// Files that hold descriptors.
  var files: Set<Slot> = []
  private(set) var clock: UInt64 = 0

  /// How many of one directory's may be open before they are counted: a stack of hundreds of layers
  /// has more of them than the process may open at all.
  var atOnce: Int { max(8, limit / 16) }

  init(limit: Int) { self.limit = limit }

  mutating func tick() -> UInt64 {
    clock += 1
    return clock
  }

  /// Closes what a file's node holds.
  mutating func drop(_ slot: Slot, _ side: FileSide) {
    openFiles -= (side.reader == nil ? 0 : 1) + (side.writer == nil ? 0 : 1)
    openFiles -= side.remains == nil ? 0 : 1
    side.reader = nil
    side.writer = nil
    side.remains = nil
    files.remove(slot)
  }
}

extension FileDescriptor {
  /// Opens for reading without dating the access, where that may be asked for (by the owner, or with
  /// CAP_FOWNER): a mount does not change its lower layers, and the kernel's overlay does the same.
  func openUndated(_ name: RawPath, _ flags: OpenFlags) throws(Errno) -> FileDescriptorOwner {
    do throws(Errno) {
      return try open(name, flags.union(.noAccessTime))
    } catch  where error == .operationNotPermitted {
      return try open(name, flags)
    }
  }
}

/// The resolve flags of every walk below a layer's root.
private let inside: ResolveFlags = [.beneath, .noSymlinks, .noMagicLinks]

extension MergedTree {
  /// The directory's descriptor in the layer at `position` of its side's list, opened anew if it was
  /// closed: from the nearest ancestor that has one, by a relative path that cannot leave.
  func descriptor(of slot: Slot, at position: Int) throws(Errno) -> SharedDescriptor {
    let side = try directory(slot)
    let layer = side.layers[position].layer
    touched = layer
    if let open = side.layers[position].descriptor {
      side.layers[position].lastUse = budget.tick()
      counters.descriptorsFound += 1
      return open
    }
    let (base, path) = try nearestOpen(slot, layer)
    let opened: SharedDescriptor
    do throws(Errno) {
      opened = SharedDescriptor(try Self.openDirectory(path, below: base.view))
    } catch  where error == .noSuchFileOrDirectory || error == .notADirectory {
      // It was there, and only somebody else can have taken it away.
      vanished(from: layer)
      throw .inputOutputError
    }
    counters.descriptorsOpened += 1
    keep(opened, of: slot, side, at: position)
    return opened
  }

  /// As above by the layer's number; ENOENT if the directory is not in it.
  func descriptor(of slot: Slot, layer: UInt16) throws(Errno) -> SharedDescriptor {
    guard let position = try directory(slot).position(of: layer) else {
      throw .noSuchFileOrDirectory
    }
    return try descriptor(of: slot, at: position)
  }

  /// The upper's directory, which must be there.
  func upperDescriptor(of slot: Slot) throws(Errno) -> SharedDescriptor {
    try descriptor(of: slot, layer: 0)
  }

  /// Remembers a descriptor and closes the oldest if there are too many.
  func keep(_ descriptor: SharedDescriptor, of slot: Slot, _ side: DirectorySide, at position: Int)
  {
    if slot != .root {
      if budget.openDirectories >= budget.limit / 2 { closeOldDirectories() }
      budget.openDirectories += side.layers[position].descriptor == nil ? 1 : 0
      budget.directories.insert(slot)
    }
    side.layers[position].descriptor = descriptor
    side.layers[position].lastUse = budget.tick()
  }

  private func nearestOpen(
    _ start: Slot, _ layer: UInt16
  ) throws(Errno) -> (SharedDescriptor, RawPath) {
    var slot = start
    var names: [RawPath] = []
    while true {
      let side = try directory(slot)
      guard let position = side.position(of: layer) else { throw .staleHandle }
      if let open = side.layers[position].descriptor { return (open, Self.joined(names)) }
      if let path = side.layers[position].path {
        return (layers[Int(layer)].root, Self.joined(names + [path]))
      }
      if table[slot].flags.contains(.orphan) { throw .noSuchFileOrDirectory }
      names.append(table.name(of: slot))
      slot = table[slot].parent
    }
  }

  /// Names collected from the bottom up as one path.
  private static func joined(_ names: [RawPath]) -> RawPath {
    var path = RawPath("")
    for name in names.reversed() where !name.isEmpty { path = path.appending(name) }
    return path
  }

  /// Opens a directory by a relative path without links, in pieces that the kernel takes.
  static func openDirectory(_ path: RawPath, below base: FileDescriptor)
    throws(Errno) -> FileDescriptorOwner
  {
    if path.isEmpty { return try base.openUndated(".", [.readOnly, .directory]) }
    if path.count <= 4000 { return try openDirectoryPiece(path, base) }
    var current: FileDescriptorOwner?
    var piece = RawPath("")
    for name in path.components {
      if piece.count + name.count > 3800 {
        current = try openDirectoryPiece(piece, current?.view ?? base)
        piece = RawPath("")
      }
      piece = piece.appending(name)
    }
    return try openDirectoryPiece(piece, current?.view ?? base)
  }

  private static func openDirectoryPiece(_ path: RawPath, _ base: FileDescriptor)
    throws(Errno) -> FileDescriptorOwner
  {
    do throws(Errno) {
      do throws(Errno) {
        return try openInside(path, base, [.readOnly, .directory, .noFollow, .noAccessTime])
      } catch  where error == .operationNotPermitted {
        return try openInside(path, base, [.readOnly, .directory, .noFollow])
      }
    } catch  where error == .permissionDenied {
      // Enough to look names up, for a daemon that may search and not list.
      return try openInside(path, base, [.path, .directory, .noFollow])
    }
  }

  /// Opens a path below a directory so that no link is followed and nothing above is reached, also
  /// where openat2 is missing or forbidden (old kernels, old seccomp profiles): then a component at
  /// a time.
  static func openInside(_ path: RawPath, _ base: FileDescriptor, _ flags: OpenFlags)
    throws(Errno) -> FileDescriptorOwner
  {
    let names = path.components
    if names.count == 1 { return try base.open(path, flags.union(.noFollow)) }
    do throws(Errno) {
      return try base.open(path, flags, resolve: inside)
    } catch {
      guard error == .noFunction || error == .operationNotPermitted else { throw error }
      var current: FileDescriptorOwner?
      for name in names.dropLast() {
        current = try (current?.view ?? base).open(name, [.path, .directory, .noFollow])
      }
      return try (current?.view ?? base).open(names[names.count - 1], flags.union(.noFollow))
    }
  }

  /// Closes the least recently used quarter of the directories' descriptors.
  private func closeOldDirectories() {
    var uses: [UInt64] = []
    for slot in budget.directories {
      guard let side = sides.directory(table[slot].side) else { continue }
      for layer in side.layers where layer.descriptor != nil { uses.append(layer.lastUse) }
    }
    uses.sort()
    guard !uses.isEmpty else { return }
    let bound = uses[uses.count / 4]
    for slot in budget.directories {
      guard let side = sides.directory(table[slot].side),
        !table[slot].flags.contains(.orphan)
      else { continue }
      var left = false
      for position in side.layers.indices where side.layers[position].descriptor != nil {
        if side.layers[position].lastUse <= bound {
          side.layers[position].descriptor = nil
          budget.openDirectories -= 1
        } else {
          left = true
        }
      }
      if !left { budget.directories.remove(slot) }
    }
  }

  // MARK: - Files

  /// Where a file's primary name lies: its directory in the file's layer, and the name.
  func location(of slot: Slot) throws(Errno) -> (directory: SharedDescriptor, name: RawPath) {
    guard table[slot].flags.contains(.keyed) else { throw .noSuchFileOrDirectory }
    let directory = try descriptor(of: table[slot].parent, layer: table[slot].layer)
    return (directory, table.name(of: slot))
  }

  /// A descriptor of the file that can read.
  ///
  /// It belongs to the node.
  func reader(_ slot: Slot) throws(Errno) -> SharedDescriptor {
    let side = fileSide(slot)
    side.lastUse = budget.tick()
    if let open = side.reader { return open }
    if let open = side.writer, !side.writerIsWriteOnly { return open }
    if side.data != nil { return try dataReader(slot, side) }
    let opened = try openFile(slot, [.readOnly, .nonBlocking])
    try checkMetacopy(slot, side, opened)
    if side.data != nil { return try dataReader(slot, side) }
    side.reader = opened
    counted(slot)
    return opened
  }

  /// A descriptor of the upper file that can write.
  ///
  /// It belongs to the node.
  func writer(_ slot: Slot) throws(Errno) -> SharedDescriptor {
    let side = fileSide(slot)
    side.lastUse = budget.tick()
    if let open = side.writer { return open }
    var opened: SharedDescriptor
    do throws(Errno) {
      (side.writerIsWriteOnly, side.writerAppends) = (false, false)
      opened = try openFile(slot, [.readWrite, .nonBlocking])
    } catch {
      switch error {
      case .permissionDenied:
        opened = try openFile(slot, [.writeOnly, .nonBlocking])
        side.writerIsWriteOnly = true
      case .operationNotPermitted:
        opened = try openFile(slot, [.readWrite, .append, .nonBlocking])
        side.writerAppends = true
      default: throw error
      }
    }
    try fillMetacopy(slot, side, opened)
    side.writer = opened
    counted(slot)
    return opened
  }

  /// Opens the node's file by name in its layer; one without a name through the descriptor that is left
  /// of it, as a program does that opens its /proc/self/fd again.
  func openFile(_ slot: Slot, _ flags: OpenFlags) throws(Errno) -> SharedDescriptor {
    if table[slot].flags.contains(.orphan), let side = existingFileSide(slot), side.data == nil,
      let open = side.reader ?? side.writer ?? side.remains
    {
      let again = RawPath("/proc/self/fd/\(open.view.rawValue)")
      return SharedDescriptor(try FileDescriptor.workingDirectory.open(again, flags))
    }
    let place = try location(of: slot)
    touched = table[slot].layer
    let (directory, flags) = (place.directory.view, flags.union(.noFollow))
    if isUpper(slot) { return SharedDescriptor(try directory.open(place.name, flags)) }
    return SharedDescriptor(try directory.openUndated(place.name, flags))
  }

  /// Counts a file descriptor that was put in place, and closes the oldest if there are too many.
  func counted(_ slot: Slot) {
    budget.openFiles += 1
    budget.files.insert(slot)
    guard budget.openFiles > budget.limit / 2 else { return }
    var uses = budget.files.compactMap { existingFileSide($0)?.lastUse }
    uses.sort()
    let bound = uses.isEmpty ? 0 : uses[uses.count / 4]
    for other in budget.files where other != slot && !table[other].flags.contains(.orphan) {
      guard let side = existingFileSide(other), side.lastUse <= bound else { continue }
      budget.drop(other, side)
    }
  }

  /// Keeps a file reachable whose last name is about to go: an open one, and one that somebody may hold
  /// by O_PATH, of which the kernel tells nothing, as long as descriptors are to spare.
  func pin(_ slot: Slot) {
    guard table[slot].type == .regular else { return }
    if let side = existingFileSide(slot), side.opens > 0 {
      _ = try? reader(slot)
      if side.writingOpens > 0 { _ = try? writer(slot) }
      return
    }
    guard table[slot].lookups > 0, budget.openFiles < budget.limit / 2,
      let place = try? location(of: slot),
      let remains = try? place.directory.view.open(place.name, [.path, .noFollow])
    else { return }
    fileSide(slot).remains = SharedDescriptor(remains)
    counted(slot)
  }
}
