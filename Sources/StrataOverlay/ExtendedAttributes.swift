package import StrataFUSE
package import StrataSystem

/// How an object's attributes are reached: through an open file, or by name where it cannot be
/// opened.
///
/// A name's links are not followed.
enum XattrPlace {
  case open(SharedDescriptor)
  case name(SharedDescriptor, RawPath)

  func value(_ key: RawPath) throws(Errno) -> [UInt8] {
    switch self {
    case .open(let file): try file.view.xattr(key)
    case .name(let directory, let name): try directory.view.xattr(key, of: name)
    }
  }

  func names() throws(Errno) -> [RawPath] {
    switch self {
    case .open(let file): try file.view.xattrNames()
    case .name(let directory, let name): try directory.view.xattrNames(of: name)
    }
  }

  func set(_ key: RawPath, _ value: [UInt8], _ setting: XattrSetting = .any) throws(Errno) {
    switch self {
    case .open(let file): try file.view.setXattr(key, value, setting)
    case .name(let directory, let name): try directory.view.setXattr(key, value, of: name, setting)
    }
  }

  func remove(_ key: RawPath) throws(Errno) {
    switch self {
    case .open(let file): try file.view.removeXattr(key)
    case .name(let directory, let name): try directory.view.removeXattr(key, of: name)
    }
  }
}

extension MergedTree {
  /// How the node's own attributes are reached in its layer.
  func xattrPlace(_ slot: Slot) throws(Errno) -> XattrPlace {
    if isDirectory(slot) {
      if table[slot].flags.contains(.orphan) { throw .noSuchFileOrDirectory }
      return .open(try descriptor(of: slot, at: 0))
    }
    if let side = existingFileSide(slot), side.data == nil, let open = side.writer ?? side.reader {
      return .open(open)
    }
    if table[slot].type == .regular,
      let open = try? openFile(slot, [.readOnly, .nonBlocking])
    {
      return .open(open)
    }
    let place = try location(of: slot)
    return .name(place.directory, place.name)
  }

  /// The name on disk; nil for one that is this program's own.
  ///
  /// ENOTSUP where it would be longer than a name may be, as the kernel's overlay says.
  private func storedName(_ name: RawPath, of slot: Slot) throws(Errno) -> RawPath? {
    if let attribute = layer(of: slot).override, name == attribute { return nil }
    let stored = PrivateXattrs.stored(name)
    if let stored, stored.count > 255 { throw .notSupported }
    return stored
  }

  /// EPERM for what would make the next mount take owners, modes and devices of the whole upper from
  /// attributes, which anybody who owns a file can set.
  private func requireNotSteering(_ name: RawPath, _ slot: Slot) throws(Errno) {
    if slot == .root, OverrideStat.names.contains(name) { throw .operationNotPermitted }
  }

  /// Nothing is kept of one but its status; the kernel asks for its ACL when somebody works in it.
  private func isRemovedDirectory(_ slot: Slot) -> Bool {
    isDirectory(slot) && table[slot].flags.contains(.orphan)
  }

  /// Answers GETXATTR.
  package func xattr(_ name: RawPath, of id: NodeID) throws(Errno) -> [UInt8] {
    let slot = try table.slot(of: id)
    if !options.xattrs { throw .noFunction }
    guard let stored = try storedName(name, of: slot) else { throw .noData }
    if table[slot].flags.contains(.withoutXattrs) || isRemovedDirectory(slot) { throw .noData }
    let place = try xattrPlace(slot)
    if !table[slot].flags.contains(.listedXattrs) {
      // Most files have none: one listing saves all further questions.
      table[slot].flags.insert(.listedXattrs)
      if let names = try? place.names(), names.isEmpty {
        table[slot].flags.insert(.withoutXattrs)
        throw .noData
      }
    }
    return try layer(of: slot).mapping.converted(try place.value(stored), of: name, .toShown)
  }

  /// Answers LISTXATTR.
  ///
  /// `trusted.` ones are told to those only who may read them, as everywhere.
  package func xattrNames(
    of id: NodeID, _ context: RequestContext
  ) throws(Errno) -> [RawPath] {
    let slot = try table.slot(of: id)
    if !options.xattrs { throw .noFunction }
    if table[slot].flags.contains(.withoutXattrs) || isRemovedDirectory(slot) { return [] }
    let names = try xattrPlace(slot).names()
    if names.isEmpty { table[slot].flags.insert(.withoutXattrs) }
    let override = layer(of: slot).override
    let shown = names.compactMap { $0 == override ? nil : PrivateXattrs.shown($0) }
    guard shown.contains(where: { $0.hasPrefix("trusted.") }),
      !CallerProcess(context).isAdministrator
    else { return shown }
    return shown.filter { !$0.hasPrefix("trusted.") }
  }

  /// Answers SETXATTR.
  ///
  /// What would fail anyway fails before anything is copied up.
  package func setXattr(
    _ name: RawPath, of id: NodeID, _ value: [UInt8], _ setting: XattrSetting,
    dropSetGroupID: Bool
  ) throws(Errno) {
    let slot = try table.slot(of: id)
    if !options.xattrs { throw .noFunction }
    _ = try requireUpper()
    try requireUnprotected(slot)
    try requireNotSteering(name, slot)
    guard let stored = try storedName(name, of: slot) else { throw .operationNotPermitted }
    if setting != .any {
      let exists = try hasXattr(stored, slot)
      if setting.contains(.create), exists { throw .fileExists }
      if setting.contains(.replace), !exists { throw .noData }
    }
    let converted = try layers[0].mapping.converted(value, of: name, .toStored)
    try copyUp(slot)
    table[slot].flags.remove([.withoutXattrs, .listedXattrs])
    try xattrPlace(slot).set(stored, converted, setting)
    if dropSetGroupID {
      try setMode(slot, try status(of: slot).permissions & ~0o2000)
    }
    if name.hasPrefix("system.posix_acl_") { staleAttributes.append(id) }
  }

  /// Answers REMOVEXATTR.
  package func removeXattr(_ name: RawPath, of id: NodeID) throws(Errno) {
    let slot = try table.slot(of: id)
    if !options.xattrs { throw .noFunction }
    _ = try requireUpper()
    try requireUnprotected(slot)
    try requireNotSteering(name, slot)
    guard let stored = try storedName(name, of: slot) else { throw .noData }
    guard try hasXattr(stored, slot) else {
      // Of an upper file an ACL that is not there may be removed, as its file system has it.
      if isUpper(slot), name.hasPrefix("system.posix_acl_") { return }
      throw .noData
    }
    try copyUp(slot)
    try xattrPlace(slot).remove(stored)
  }

  private func hasXattr(_ stored: RawPath, _ slot: Slot) throws(Errno) -> Bool {
    do throws(Errno) {
      _ = try xattrPlace(slot).value(stored)
      return true
    } catch  where error == .noData {
      return false
    }
  }
}
