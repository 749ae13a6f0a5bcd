package import StrataFUSE
package import StrataSystem

/// What is to be made, and for whom.
struct NewObject {
  var type: FileType
  /// Permission bits, unmasked.
  var permissions: UInt32
  var device = DeviceNumber(major: 0, minor: 0)
  var target = RawPath("")
  var caller: Caller
}

/// How the upper stands at a name that something is to be put at.
struct PlaceState {
  /// A whiteout lies at the name itself.
  var hasWhiteout = false
  /// A file `.wh.NAME` lies beside it.
  var hasMarker = false
  /// A lower layer has the name, hidden or not.
  var hasLower = false
  /// The name hides something, or did: a directory made here must be opaque.
  var needsOpaque: Bool { hasWhiteout || hasMarker || hasLower }
}

extension MergedTree {
  /// Answers CREATE: a new regular file, open.
  ///
  /// A file that is there already is opened.
  package func create(
    _ name: RawPath, in parentID: NodeID, mode: UInt32, _ request: OpenRequest,
    _ context: RequestContext
  ) throws(Errno) -> (Entry, OpenResult) {
    let parent = try table.slot(of: parentID)
    let object = NewObject(
      type: .regular, permissions: mode & 0o7777, caller: try caller(context))
    let (slot, status, file): (Slot, FileStatus, SharedDescriptor?)
    do throws(Errno) {
      (slot, status, file) = try make(object, name, in: parent)
    } catch {
      guard error == .fileExists, !request.flags.contains(.exclusive),
        let (slot, status) = try resolve(name, in: parent)
      else { throw error }
      let result = try open(table.id(of: slot), request, context)
      return (entry(slot, status), result)
    }
    let side = fileSide(slot)
    side.writer = file
    counted(slot)
    return (
      entry(slot, status),
      opened(slot, writes: true)
    )
  }

  /// Answers MKNOD.
  ///
  /// A device 0:0 would be a whiteout: EPERM, as the kernel's overlay says.
  package func makeNode(
    _ name: RawPath, in parentID: NodeID, mode: UInt32, device: DeviceNumber,
    _ context: RequestContext
  ) throws(Errno) -> Entry {
    let type = FileType(mode: mode)
    if type == .characterDevice, device == DeviceNumber(major: 0, minor: 0) {
      throw .operationNotPermitted
    }
    let object = NewObject(
      type: type == .unknown ? .regular : type, permissions: mode & 0o7777, device: device,
      caller: try caller(context))
    let (slot, status, _) = try make(object, name, in: try table.slot(of: parentID))
    return entry(slot, status)
  }

  /// Answers MKDIR.
  package func makeDirectory(
    _ name: RawPath, in parentID: NodeID, mode: UInt32, _ context: RequestContext
  ) throws(Errno) -> Entry {
    let object = NewObject(
      type: .directory, permissions: mode & 0o7777, caller: try caller(context))
    let (slot, status, _) = try make(object, name, in: try table.slot(of: parentID))
    return entry(slot, status)
  }

  /// Answers SYMLINK.
  package func makeSymlink(
    _ name: RawPath, in parentID: NodeID, target: RawPath, _ context: RequestContext
  ) throws(Errno) -> Entry {
    let object = NewObject(
      type: .symlink, permissions: 0o777, target: target, caller: try caller(context))
    let (slot, status, _) = try make(object, name, in: try table.slot(of: parentID))
    return entry(slot, status)
  }

  // MARK: - One way for all

  private func make(
    _ object: NewObject, _ name: RawPath, in parent: Slot
  ) throws(Errno) -> (Slot, FileStatus, SharedDescriptor?) {
    _ = try requireUpper()
    if name.count > 255 { throw .nameTooLong }
    let side = try directory(parent)
    if table[parent].flags.contains(.orphan) { throw .noSuchFileOrDirectory }
    if side.layers.count > 1 || !isUpper(parent), try find(name, in: parent, side) != nil {
      throw .fileExists
    }
    try requireMutable(parent)
    try copyUp(parent)
    var state = try placeState(name, in: parent)
    let directory = try upperDescriptor(of: parent)
    var file: SharedDescriptor?
    let isLiteral = object.type == .regular && MarkerFile.target(of: name) != nil
    if !state.hasWhiteout, !isLiteral, layers[0].override == nil,
      !(object.type == .directory && state.needsOpaque)
    {
      do throws(Errno) {
        file = try acting(as: object.caller) { () throws(Errno) in
          try Self.make(object, name, in: directory.view, permissions: object.permissions)
        }
      } catch  where error == .fileExists {
        // Either really there, or a whiteout in a directory that hides nothing.
        let status = try directory.view.status(of: name)
        guard
          isWhiteout(
            name, status, in: directory.view, xattrs: try mayHaveXattrWhiteouts(parent, side, at: 0)
          )
        else { throw .fileExists }
        state.hasWhiteout = true
        file = try makeInWork(object, name, in: parent, directory.view, state, isLiteral)
      }
    } else {
      file = try makeInWork(object, name, in: parent, directory.view, state, isLiteral)
    }
    if state.hasMarker, let marker = MarkerFile.name(hiding: name) {
      try? directory.view.unlink(marker)
    }
    return try adopt(object, name, in: parent, directory, file, opaque: state.needsOpaque)
  }

  /// How an upper directory stands at a name.
  ///
  /// Only the index knows whether a lower has the name: one that is not there is made.
  func placeState(_ name: RawPath, in parent: Slot) throws(Errno) -> PlaceState {
    let side = try directory(parent)
    if side.layers.count > 1 { try ensureIndex(parent, side) }
    guard let entry = side.index?.entry(name) else { return PlaceState() }
    let marker = entry.flags.contains(.marker)
    let hidden = entry.flags.contains(.hidden)
    return PlaceState(
      hasWhiteout: hidden && !marker && !entry.flags.contains(.upper), hasMarker: marker,
      hasLower: entry.hasLower)
  }

  /// The one call that makes the object; a regular file comes back open.
  private static func make(
    _ object: NewObject, _ name: RawPath, in directory: FileDescriptor, permissions: UInt32
  ) throws(Errno) -> SharedDescriptor? {
    switch object.type {
    case .regular:
      return SharedDescriptor(
        try directory.open(
          name, [.readWrite, .create, .exclusive, .noFollow], mode: permissions))
    case .directory: try directory.makeDirectory(name, mode: permissions)
    case .symlink: try directory.makeSymlink(name, to: object.target)
    default:
      try directory.makeNode(
        name, mode: object.type.modeBits | permissions, device: object.device)
    }
    return nil
  }

  /// Gives a new object its node, and the parent's index its name.
  private func adopt(
    _ object: NewObject, _ name: RawPath, in parent: Slot, _ directory: SharedDescriptor,
    _ file: SharedDescriptor?, opaque: Bool
  ) throws(Errno) -> (Slot, FileStatus, SharedDescriptor?) {
    if let stale = known(name, in: parent) { detach(stale, name, in: parent) }
    let raw: FileStatus
    if let file {
      raw = try file.view.status()
    } else {
      raw = try directory.view.status(of: name)
    }
    let status =
      file.map { overridden(raw, $0.view, layer: 0) }
      ?? overridden(raw, name, directory.view, layer: 0)
    let slot = table.insert(name, in: parent, type: object.type)
    table[slot].layer = 0
    table[slot].flags.insert([.upper, .knownProtection])
    table[slot].inode = inodes.number(of: raw)
    if object.type == .directory {
      // All that is in it will pass through here, so the index is known from the start.
      let side = DirectorySide([DirectoryLayer(0)])
      side.index = .empty(seed: seed)
      table[slot].side = sides.add(side)
      indexed.insert(slot)
    }
    noteMade(name, in: parent, slot, opaque: opaque && object.type == .directory)
    return (slot, status, file)
  }

  /// The parent's index learns that the upper has an object of this name.
  func noteMade(_ name: RawPath, in parent: Slot, _ slot: Slot, opaque: Bool) {
    guard let side = sides.directory(table[parent].side), side.index != nil else { return }
    accountForGrowth()
    let (type, inode) = (table[slot].type, table[slot].inode)
    side.index?.update(name) {
      $0.flags = opaque ? [.upper, .opaque] : .upper
      $0.type = type
      $0.inode = inode
    }
  }
}
