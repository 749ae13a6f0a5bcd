// A layer whose content has the owners of other ID maps than that of its parent, where mounts do not shift
// ids: all that lies below is copied up with its new owner and becomes an older directory of the layer,
// as the peers do it (storage-format 6.7).

import StrataModel
import StrataPersistence
import StrataSystem

extension OverlayDriver {
  /// Fills a new layer with the content of its parent, owned by `mappings` and not by `parentMappings`.
  ///
  /// The caller has made the home ready for mounts.
  func fillOwnedAnew(
    _ id: String, in home: SharedDescriptor, at path: RawPath, _ mappings: IDMappings,
    _ parentMappings: IDMappings
  ) throws(StoreError) {
    let layer = LayerDirectory(home: home, homePath: path, id: RawPath(id))
    let root = try layer.root()
    // Of the mount only its content counts.
    let options = DriverMountOptions(options: self.options.mountOptions.filter { $0 != "ro" })
    let point = try mount(id, options)
    do throws(StoreError) {
      let top = try naming("open", point) { () throws(Errno) in
        try FileDescriptor.workingDirectory.open(point, [.readOnly, .directory])
      }
      var tree = OwnersAnew(OwnerShift(from: parentMappings, to: mappings, overflows: true))
      try tree.change(SharedDescriptor(top), point)
    } catch {
      try? unmount(id)
      throw error
    }
    try unmount(id)
    guard let owner = mappings.toHost(uid: 0, gid: 0) else { return }
    let diff = layer.id.appending(LayerFile.diff)
    let work = layer.id.appending(LayerFile.work)
    try naming("rename", layer.path.appending(LayerFile.diff)) { () throws(Errno) in
      try home.view.rename(diff, to: home.view, layer.id.appending("diff1"))
      try home.view.removeTree(work)
    }
    try layer.makeDirectory(LayerFile.diff, mode: root.mode, owner)
    try layer.makeDirectory(LayerFile.work, mode: 0o700, owner)
    // The record that is saved next calls the layer complete.
    try naming("syncfs", layer.path) { () throws(Errno) in
      try home.view.synchronizeFileSystem()
    }
  }
}

/// Gives all files of a mounted tree other owners.
private struct OwnersAnew: ~Copyable {
  private let owners: OwnerShift
  /// The first name of each file that has several: a file below an overlay that is copied up by one name
  /// is another one by the others, which are linked to it again.
  private var linked: [UInt64: (directory: SharedDescriptor, name: RawPath)] = [:]

  private static let capability: RawPath = "security.capability"

  init(_ owners: OwnerShift) { self.owners = owners }

  /// A directory with all that is in it; `path` is for messages.
  mutating func change(_ directory: SharedDescriptor, _ path: RawPath) throws(StoreError) {
    let before = try naming("stat", path) { () throws(Errno) in try directory.view.status() }
    let entries = try naming("readdir", path) { () throws(Errno) in try directory.view.entries() }
    for entry in entries {
      let path = path.appending(entry.name)
      let status = try naming("stat", path) { () throws(Errno) in
        try directory.view.status(of: entry.name)
      }
      if status.type == .directory {
        let below = try naming("open", path) { () throws(Errno) in
          try directory.view.open(entry.name, [.readOnly, .directory, .noFollow])
        }
        try change(SharedDescriptor(below), path)
      } else {
        try change(entry.name, of: directory, status, path)
      }
    }
    let new = try owners.owner(of: before, path)
    try naming("chown", path) { () throws(Errno) in
      if (before.uid, before.gid) != new {
        try directory.view.setOwner(uid: new.uid, gid: new.gid)
        // chown takes set-id bits away.
        try directory.view.setMode(before.permissions)
      }
      if try directory.view.status().modificationTime != before.modificationTime {
        try directory.view.setTimes(
          access: .to(before.accessTime), modification: .to(before.modificationTime))
      }
    }
  }

  private mutating func change(
    _ name: RawPath, of directory: SharedDescriptor, _ status: FileStatus, _ path: RawPath
  ) throws(StoreError) {
    let new = try owners.owner(of: status, path)
    if (status.uid, status.gid) == new { return }
    if status.linkCount > 1 {
      if let first = linked[status.inode] {
        return try naming("link", path) { () throws(Errno) in
          try directory.view.unlink(name)
          try first.directory.view.link(first.name, to: directory.view, name)
        }
      }
      linked[status.inode] = (directory, name)
    }
    try naming("chown", path) { () throws(Errno) in
      let view = directory.view
      // chown takes both away.
      let capability =
        status.type == .regular ? try? view.xattr(Self.capability, of: name) : nil
      try view.setOwner(of: name, uid: new.uid, gid: new.gid)
      if status.type == .regular, status.permissions & 0o7000 != 0 {
        try view.setMode(of: name, status.permissions)
      }
      if let capability { try view.setXattr(Self.capability, capability, of: name) }
    }
  }
}
