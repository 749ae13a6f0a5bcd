import StrataSystem

/// A directory of the layer that is held open.
final class OpenDirectory {
  let descriptor: SharedDescriptor
  /// Whether a symbolic link was followed on the way to it.
  let isBehindSymlink: Bool
  /// What files made in it get as their group: the directory's own if its set-group-id bit is set.
  var inheritedGroup: UInt32?
  fileprivate var lastUse: UInt64 = 0

  init(_ descriptor: SharedDescriptor, isBehindSymlink: Bool, inheritedGroup: UInt32?) {
    self.descriptor = descriptor
    self.isBehindSymlink = isBehindSymlink
    self.inheritedGroup = inheritedGroup
  }

  var view: FileDescriptor { descriptor.view }
}

/// Descriptors of the directories that entries lie in, so that each entry costs a walk of one
/// component.
///
/// The least recently used are closed beyond 256, and earlier where the process may not have so many
/// descriptors open.
///
/// A directory is opened from its parent where that is held, by one name, else by its whole path, and
/// without following a link; where a name is a link, the walk is done by the kernel with the diff
/// directory as root. So nothing can be reached outside it.
final class DirectoryCache {
  private let root: OpenDirectory
  private var directories: [ArraySlice<UInt8>: OpenDirectory] = [:]
  private var clock: UInt64 = 0
  private var lastPath: ArraySlice<UInt8> = []
  private var lastDirectory: OpenDirectory
  private let limit: Int
  private static let flags: OpenFlags = [.path, .directory, .noFollow]

  init(root: FileDescriptor) throws(Errno) {
    limit = max(2, min(256, spareDescriptors() / 2))
    let own = SharedDescriptor(try root.open(".", Self.flags))
    self.root = OpenDirectory(
      own, isBehindSymlink: false, inheritedGroup: try Self.inheritedGroup(own.view))
    lastDirectory = self.root
  }

  /// The directory at a cleaned path; ENOENT or ENOTDIR where there is none.
  func directory(_ path: ArraySlice<UInt8>) throws(Errno) -> OpenDirectory {
    if path == lastPath { return lastDirectory }
    let directory = try find(path)
    lastPath = path
    lastDirectory = directory
    return directory
  }

  private func find(_ path: ArraySlice<UInt8>) throws(Errno) -> OpenDirectory {
    if path.isEmpty { return root }
    clock += 1
    if let known = directories[path] {
      known.lastUse = clock
      return known
    }
    let opened: OpenDirectory
    do throws(Errno) {
      opened = try openDirectly(path)
    } catch  where error == .notADirectory || error == .tooManySymbolicLinks {
      let descriptor = SharedDescriptor(
        try root.view.open(
          RawPath(path), [.path, .directory], resolve: [.inRoot, .noMagicLinks]))
      opened = OpenDirectory(
        descriptor, isBehindSymlink: true,
        inheritedGroup: try Self.inheritedGroup(descriptor.view))
    }
    insert(opened, path)
    return opened
  }

  /// Opens a directory that no link is on the way to, from the nearest that is held.
  private func openDirectly(_ path: ArraySlice<UInt8>) throws(Errno) -> OpenDirectory {
    let end = path.lastIndex(of: UInt8(ascii: "/"))
    let parent = end.map { directories[path[..<$0]] } ?? root
    parent?.lastUse = clock
    let descriptor: SharedDescriptor
    if let parent {
      let name = RawPath(end.map { path[($0 + 1)...] } ?? path)
      descriptor = SharedDescriptor(try parent.view.open(name, Self.flags))
    } else {
      // One call whatever the depth, which may be 2,000.
      descriptor = SharedDescriptor(
        try root.view.open(
          RawPath(path), Self.flags, resolve: [.beneath, .noSymlinks, .noMagicLinks]))
    }
    return OpenDirectory(
      descriptor, isBehindSymlink: parent?.isBehindSymlink ?? false,
      inheritedGroup: try Self.inheritedGroup(descriptor.view))
  }

  private func insert(_ directory: OpenDirectory, _ path: ArraySlice<UInt8>) {
    if directories.count >= limit {
      let ages = directories.values.map(\.lastUse).sorted()
      let oldest = ages[ages.count / 4]
      directories = directories.filter { $0.value.lastUse > oldest }
    }
    directory.lastUse = clock
    // A copy: a slice would keep the whole name of an entry alive.
    directories[ArraySlice(Array(path))] = directory
  }

  private static func inheritedGroup(_ directory: FileDescriptor) throws(Errno) -> UInt32? {
    let status = try directory.status()
    return status.mode & 0o2000 != 0 ? status.gid : nil
  }

  /// Forgets what is held: after a name was removed or replaced.
  func forget() {
    directories.removeAll()
    lastPath = []
    lastDirectory = root
  }

  /// Looks again at a directory whose owner or mode was changed.
  func refresh(_ path: ArraySlice<UInt8>) throws(Errno) {
    if let known = directories[path] { known.inheritedGroup = try Self.inheritedGroup(known.view) }
  }
}
