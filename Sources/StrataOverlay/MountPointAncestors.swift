import StrataSystem

/// The directories that the mount point lies in.
///
/// A lower layer that is one of them leads to the mount itself, and the daemon would wait for its own
/// answer: such a layer is read through a mount of its own without others below it, as the kernel's overlay
/// reads all of them (docs/adr/0033).
struct MountPointAncestors {
  private struct Directory: Hashable {
    var device: DeviceNumber
    var inode: UInt64
  }

  private var directories: Set<Directory> = []

  /// Of a mount point that cannot be opened, and of a mount that the caller made, none are known.
  init(of mountPoint: RawPath) {
    guard
      var current = try? FileDescriptor.workingDirectory.open(mountPoint, [.path, .directory]),
      var place = Self.directory(current.view)
    else { return }
    while let above = try? current.view.open("..", [.path, .directory]),
      let directory = Self.directory(above.view), directory != place
    {
      directories.insert(directory)
      current = above
      place = directory
    }
  }

  func contains(_ status: FileStatus) -> Bool {
    directories.contains(Directory(device: status.device, inode: status.inode))
  }

  private static func directory(_ open: FileDescriptor) -> Directory? {
    guard let status = try? open.status() else { return nil }
    return Directory(device: status.device, inode: status.inode)
  }
}
