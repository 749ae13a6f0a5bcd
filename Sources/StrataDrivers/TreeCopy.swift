// Copying of whole trees: for the driver that keeps every layer complete, and for `copy`.

package import StrataModel
import StrataPersistence
package import StrataSystem

/// Copies what a directory holds into another one, with owners, modes, times, attributes and hard
/// links; content by reflink where the file system can.
package struct TreeCopy: ~Copyable {
  private let owners: OwnerShift
  /// The first copy of each inode that has several names: its directory and name.
  private var linked: [UInt64: (directory: SharedDescriptor, name: RawPath)] = [:]

  package init(_ owners: OwnerShift) { self.owners = owners }

  /// Copies all entries of `source` and then what belongs to the directory itself.
  ///
  /// `path` is for messages.
  package mutating func copyContents(
    of source: FileDescriptor, to target: SharedDescriptor, _ path: RawPath
  ) throws(StoreError) {
    let entries = try naming("readdir", path) { () throws(Errno) in try source.entries() }
    for entry in entries {
      try copy(entry.name, of: source, to: target, as: entry.name, path.appending(entry.name))
    }
    let status = try naming("stat", path) { () throws(Errno) in try source.status() }
    let owner = try owners.owner(of: status, path)
    try naming("copy", path) { () throws(Errno) in
      try target.view.setOwner(uid: owner.uid, gid: owner.gid)
      try target.view.setMode(status.permissions)
      try Self.copyXattrs(of: ".", in: source, to: ".", in: target.view)
      try target.view.setTimes(
        access: .to(status.accessTime), modification: .to(status.modificationTime))
    }
  }

  /// Copies one entry, into a directory of that name if both are directories, else in its place.
  package mutating func copy(
    _ name: RawPath, of source: FileDescriptor, to target: SharedDescriptor, as newName: RawPath,
    _ path: RawPath
  ) throws(StoreError) {
    let status = try naming("stat", path) { () throws(Errno) in try source.status(of: name) }
    if status.type == .directory {
      let from = try naming("open", path) { () throws(Errno) in
        try source.open(name, [.readOnly, .directory, .noFollow])
      }
      let to = try naming("mkdir", path) { () throws(Errno) in
        if (try? target.view.status(of: newName).type) != .directory {
          try Self.clear(newName, in: target.view)
          try target.view.makeDirectory(newName, mode: 0o700)
        }
        return SharedDescriptor(
          try target.view.open(newName, [.readOnly, .directory, .noFollow]))
      }
      return try copyContents(of: from.view, to: to, path)
    }
    if status.type == .socket || status.type == .unknown { return }
    let owner = try owners.owner(of: status, path)
    let first = status.linkCount > 1 ? linked[status.inode] : nil
    try naming("copy", path) { () throws(Errno) in
      try Self.clear(newName, in: target.view)
      if let first {
        return try first.directory.view.link(first.name, to: target.view, newName)
      }
      try Self.make(newName, in: target.view, as: name, in: source, status)
      try target.view.setOwner(of: newName, uid: owner.uid, gid: owner.gid)
      // chown takes set-id bits away, so the mode comes after it.
      if status.type != .symlink { try target.view.setMode(of: newName, status.permissions) }
      try Self.copyXattrs(of: name, in: source, to: newName, in: target.view)
      try target.view.setTimes(
        of: newName, access: .to(status.accessTime), modification: .to(status.modificationTime))
    }
    if status.linkCount > 1, first == nil { linked[status.inode] = (target, newName) }
  }

  private static func clear(_ name: RawPath, in directory: FileDescriptor) throws(Errno) {
    do throws(Errno) {
      try directory.unlink(name)
    } catch  where error == .noSuchFileOrDirectory {}
  }

  private static func make(
    _ newName: RawPath, in target: FileDescriptor, as name: RawPath, in source: FileDescriptor,
    _ status: FileStatus
  ) throws(Errno) {
    switch status.type {
    case .symlink: try target.makeSymlink(newName, to: source.readLink(name))
    case .regular:
      let from = try source.open(name, [.readOnly, .noFollow, .nonBlocking])
      let to = try target.open(
        newName, [.writeOnly, .create, .exclusive, .noFollow], mode: 0o600)
      try from.view.copyContents(to: to.view, length: from.view.status().size)
      try to.close()
    default:
      try target.makeNode(
        newName, mode: status.type.modeBits | 0o600, device: status.representedDevice)
    }
  }

  private static func copyXattrs(
    of name: RawPath, in source: FileDescriptor, to newName: RawPath, in target: FileDescriptor
  ) throws(Errno) {
    do throws(Errno) {
      for xattr in try source.xattrNames(of: name) where xattr != "security.selinux" {
        try target.setXattr(xattr, source.xattr(xattr, of: name), of: newName)
      }
    } catch  where error == .notSupported || error == .noData {}
  }
}
