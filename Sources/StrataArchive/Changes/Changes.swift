package import StrataModel
package import StrataSystem

/// The changed paths of an upper directory over its lowers (topmost first), sorted bytewise, as
/// `podman diff` lists them.
///
/// What is not below is added, and all in it; what a whiteout or an opaque directory hides is
/// deleted, a directory as one; what differs in type, mode, owner, device, size, time or attributes
/// is changed, of a directory neither size nor time; so is a file that differs in content alone, which
/// the peer does not see; a directory with a change in it is changed. The root is never listed. Only the upper directory is walked, and below it what it has to be compared
/// with.
package func findChanges(
  upper: FileDescriptor, lowers: [FileDescriptor], rules: ComparisonRules = ComparisonRules()
) throws(StreamError) -> [Change] {
  do throws(Errno) {
    return try UpperWalk(rules: rules).changes(upper, lowers)
  } catch {
    throw StreamError(error, "compare the layer with those below it")
  }
}

/// How an upper directory is compared with what lies below it.
package struct ComparisonRules: Sendable {
  /// Whether the upper one holds everything, so that what it lacks is deleted.
  ///
  /// Then every file of the layer below is in it too, and content alone is not compared: that would
  /// read both trees whole.
  package var upperIsComplete = false
  /// The ID maps of the owners above and below, which are compared as a container sees them.
  package var mappings = IDMappings()
  package var lowerMappings = IDMappings()

  package init() {}

  /// Whether two owners are not the same for a container.
  fileprivate func differ(_ new: FileStatus, _ old: FileStatus) -> Bool {
    if mappings == lowerMappings { return new.uid != old.uid || new.gid != old.gid }
    let (above, below) = (
      mappings.toContainer(uid: new.uid, gid: new.gid),
      lowerMappings.toContainer(uid: old.uid, gid: old.gid)
    )
    return above?.uid != below?.uid || above?.gid != below?.gid
  }
}

/// Finds what an upper directory changes.
struct UpperWalk {
  private let rules: ComparisonRules
  private var changes: [Change] = []

  init(rules: ComparisonRules) { self.rules = rules }

  /// All changes, sorted.
  consuming func changes(
    _ upper: FileDescriptor, _ lowers: [FileDescriptor]
  ) throws(Errno) -> [Change] {
    let root = try LayerDirectory(upper, ".")
    try walk(root, try LowerDirectory(lowers), [], isHidden: root.isOpaque || rules.upperIsComplete)
    return changes.sorted { $0.path.lexicographicallyPrecedes($1.path) }
  }

  /// Compares a directory with what was below it; `isHidden`: nothing of the lower one shows through.
  private mutating func walk(
    _ upper: LayerDirectory, _ lower: LowerDirectory, _ path: [UInt8], isHidden: Bool
  ) throws(Errno) {
    let (names, hidden) = try upper.contents()
    let gone = isHidden ? try lower.names().subtracting(names) : hidden
    for name in gone {
      if !isHidden, try lower.find(name) == nil { continue }
      changes.append(Change(.deleted, path: path + [0x2f] + name.bytes))
    }
    for name in names {
      try compare(name, in: upper, lower, path + [0x2f] + name.bytes, isHidden: isHidden)
    }
  }

  private mutating func compare(
    _ name: RawPath, in upper: LayerDirectory, _ lower: LowerDirectory, _ path: [UInt8],
    isHidden: Bool
  ) throws(Errno) {
    let status: FileStatus
    do throws(Errno) {
      status = try upper.status(of: name)
    } catch  where error == .noSuchFileOrDirectory {
      return  // gone while the container runs
    }
    let old = try lower.find(name)
    let before = changes.count
    var isListed = old == nil
    if let (layer, oldStatus) = old {
      isListed = try differs(name, upper, status, layer, oldStatus)
    }
    if isListed { changes.append(Change(old == nil ? .added : .modified, path: path)) }
    // The inode decides: an override may call a plain file a directory.
    guard status.type == .directory, let opened = try? LayerDirectory(upper.view, name) else {
      return
    }
    let below = old?.1.type == .directory ? try lower.directory(name) : .none
    try walk(opened, below, path, isHidden: isHidden || opened.isOpaque)
    if !isListed, changes.count > before {
      changes.append(Change(.modified, path: path))
    }
  }

  /// Whether the two differ in what `podman diff` looks at.
  private func differs(
    _ name: RawPath, _ upper: LayerDirectory, _ new: FileStatus, _ lower: LayerDirectory,
    _ old: FileStatus
  ) throws(Errno) -> Bool {
    if new.mode != old.mode || rules.differ(new, old)
      || new.representedDevice != old.representedDevice
    {
      return true
    }
    if new.type != .directory,
      new.size != old.size || !Self.isSame(new.modificationTime, old.modificationTime)
    {
      return true
    }
    if new.type == .symlink, try upper.view.readLink(name) != lower.view.readLink(name) {
      return true
    }
    if try ChangeXattrs.read(name, in: upper.view) != ChangeXattrs.read(name, in: lower.view) {
      return true
    }
    guard new.type == .regular, new.size > 0, !rules.upperIsComplete else { return false }
    return try !Self.hasSameContent(name, upper.view, lower.view)
  }

  /// Whether a copied-up file still is what it was: a program may have set its time back, and a
  /// layer must not lose what it wrote.
  private static func hasSameContent(
    _ name: RawPath, _ upper: FileDescriptor, _ lower: FileDescriptor
  ) throws(Errno) -> Bool {
    let flags: OpenFlags = [.readOnly, .noFollow, .nonBlocking]
    let new = try upper.open(name, flags)
    let old = try lower.open(name, flags)
    var offset: Int64 = 0
    while true {
      let (a, b) = (
        try new.view.read(count: 1 << 18, at: offset), try old.view.read(count: 1 << 18, at: offset)
      )
      if a != b { return false }
      if a.isEmpty { return true }
      offset += Int64(a.count)
    }
  }

  /// Archives without nanoseconds give 0 for them.
  private static func isSame(_ left: FileTime, _ right: FileTime) -> Bool {
    left.seconds == right.seconds
      && (left.nanoseconds == right.nanoseconds || left.nanoseconds == 0 || right.nanoseconds == 0)
  }
}

/// The attributes that are part of a layer: those of users, capabilities and ACLs, without the marks
/// of overlay programs.
enum ChangeXattrs {
  private static let kept: Set<RawPath> = [
    "security.capability", "system.posix_acl_access", "system.posix_acl_default",
  ]

  static func read(_ name: RawPath, in directory: FileDescriptor) throws(Errno) -> [TarHeader.Xattr]
  {
    var result: [TarHeader.Xattr] = []
    do throws(Errno) {
      for xattr in try directory.xattrNames(of: name).sorted() {
        let bytes = Array(xattr.bytes)
        let isOverride = OverrideStat.names.contains(xattr)
        guard xattr.hasPrefix("user.") || kept.contains(xattr), !isOverride,
          !PrivateXattr.isLeftOut(bytes)
        else { continue }
        result.append(TarHeader.Xattr(name: bytes, value: try directory.xattr(xattr, of: name)))
      }
    } catch  where error == .notSupported || error == .noData {
      return result
    }
    return result
  }
}
