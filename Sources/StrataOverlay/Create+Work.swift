package import StrataFUSE
package import StrataSystem

/// Objects that are made whole in `work` before they take their place.
extension MergedTree {
  /// Makes an object where it must not show before it is complete: over a whiteout, as an opaque
  /// directory, under a name that would hide another, or with overridden attributes.
  func makeInWork(
    _ object: NewObject, _ name: RawPath, in parent: Slot, _ directory: FileDescriptor,
    _ state: PlaceState, _ isLiteral: Bool
  ) throws(Errno) -> SharedDescriptor? {
    let work = try requireUpper()
    let temporary = work.freeName()
    let file = try makeBare(object, temporary, work)
    try work.finish(temporary) { () throws(Errno) in
      try finishNew(object, temporary, file, parent: directory)
      if isLiteral { try setLiteral(temporary, in: work.view) }
      if object.type == .directory {
        try placeDirectory(temporary, name, in: directory, state)
      } else {
        try work.view.rename(temporary, to: directory, name, state.hasWhiteout ? [] : .noReplace)
      }
    }
    return file
  }

  /// The object alone; a device or fifo that may not be made is stood in for by a file where owner
  /// and mode are attributes anyway.
  private func makeBare(
    _ object: NewObject, _ temporary: RawPath, _ work: WorkDirectory
  ) throws(Errno) -> SharedDescriptor? {
    switch object.type {
    case .regular:
      return SharedDescriptor(
        try work.view.open(temporary, [.readWrite, .create, .exclusive], mode: 0o600))
    case .directory: try work.view.makeDirectory(temporary, mode: 0o700)
    case .symlink: try work.view.makeSymlink(temporary, to: object.target)
    default:
      do throws(Errno) {
        try work.view.makeNode(
          temporary, mode: object.type.modeBits | 0o600, device: object.device)
      } catch {
        guard layers[0].override != nil, error == .operationNotPermitted else { throw error }
        _ = try work.view.open(temporary, [.writeOnly, .create, .exclusive], mode: 0o600)
      }
    }
    return nil
  }

  /// Owner, inherited group and ACL, and mode: what the backing file system would have done had the
  /// object been made in its parent.
  private func finishNew(
    _ object: NewObject, _ temporary: RawPath, _ file: SharedDescriptor?, parent: FileDescriptor
  ) throws(Errno) {
    let work = try requireUpper()
    let above = overridden(try parent.status(), parent, layer: 0)
    let uid = object.caller.identity.uid
    var gid = object.caller.identity.gid
    var mode = object.permissions
    if above.permissions & 0o2000 != 0 {
      gid = above.gid
      if object.type == .directory { mode |= 0o2000 }
    }
    let inherited = object.type == .symlink ? nil : InheritedACL(from: parent, mode: mode)
    mode = inherited?.mode ?? (mode & ~object.caller.umask)
    if let attribute = layers[0].override {
      if object.type == .symlink {
        // Its owner is the real one, as far as the daemon may set it.
        try? work.view.setOwner(of: temporary, uid: uid, gid: gid)
        return
      }
      let value = OverrideStat(
        uid: uid, gid: gid, permissions: mode, type: object.type, device: object.device)
      do throws(Errno) {
        try work.view.setXattr(attribute, value.text, of: temporary)
        try work.view.setMode(of: temporary, mode & 0o777 | 0o755)
        return
      } catch  where error == .operationNotPermitted || error == .notSupported {}
    }
    try work.view.setOwner(of: temporary, uid: uid, gid: gid)
    if let inherited {
      try inherited.apply(to: temporary, in: work.view, isDirectory: object.type == .directory)
    }
    if object.type != .symlink { try work.view.setMode(of: temporary, mode) }
  }

  /// Marks a file whose name starts with `.wh.` as meaning nothing by it; EINVAL if it cannot be.
  func setLiteral(_ name: RawPath, in directory: FileDescriptor) throws(Errno) {
    do throws(Errno) {
      try directory.setXattr(marks.literal, [UInt8(ascii: "y")], of: name)
    } catch { throw .invalidArgument }
  }

  /// Puts a directory where a whiteout is, or where lowers have the name: opaque first.
  private func placeDirectory(
    _ temporary: RawPath, _ name: RawPath, in directory: FileDescriptor, _ state: PlaceState
  ) throws(Errno) {
    let work = try requireUpper()
    if state.needsOpaque {
      let made = try work.view.open(temporary, [.readOnly, .directory, .noFollow])
      try setOpaque(made.view)
    }
    if state.hasWhiteout {
      try work.view.rename(temporary, to: directory, name, .exchange)
      try? work.view.unlink(temporary)
    } else {
      try work.view.rename(temporary, to: directory, name, .noReplace)
    }
  }

  /// Answers TMPFILE: a file without a name, which LINK may name later.
  package func makeTemporaryFile(
    in parentID: NodeID, mode: UInt32, _ context: RequestContext
  ) throws(Errno) -> (Entry, OpenResult) {
    _ = try requireUpper()
    // Owner and mode could be set when it has a name only.
    if layers[0].override != nil { throw .notSupported }
    let parent = try table.slot(of: parentID)
    let caller = try caller(context)
    try requireMutable(parent)
    try copyUp(parent)
    let directory = try upperDescriptor(of: parent)
    let file = SharedDescriptor(
      try acting(as: caller) { () throws(Errno) in
        try directory.view.open(".", [.temporaryFile, .readWrite], mode: mode & 0o7777)
      })
    let raw = try file.view.status()
    let slot = table.insertOrphan(type: .regular)
    table[slot].layer = 0
    table[slot].flags.insert([.upper, .knownProtection])
    table[slot].inode = inodes.number(of: raw)
    let side = fileSide(slot)
    side.writer = file
    counted(slot)
    return (
      entry(slot, raw),
      opened(slot, writes: true)
    )
  }
}
