package import StrataModel
import StrataPersistence
import StrataSystem

extension OverlayDriver {
  /// The whole tree of a layer, through a mount of its own that nobody else sees for longer than it takes
  /// to open it: it is out of the tree of mounts at once, and ends with the descriptor.
  package func openTree(_ id: String) throws(StoreError) -> DiffDirectories {
    let parts = try diffDirectories(id)
    let layer = try directory(of: id)
    let text = try optionString(layer, DriverMountOptions(readOnly: true))
    let name = Identifiers.newID(randomBytes).prefix(16)
    let point = runHome.appending(RawPath("tree-\(name)"))
    let here = FileDescriptor.workingDirectory
    try naming("mkdir", point) { () throws(Errno) in
      try here.makeDirectories(point, mode: 0o700)
    }
    defer { try? here.removeDirectory(point) }
    try MountProgram(path: options.mountProgram, workingDirectory: home).mount(text, on: point)
    let root: FileDescriptorOwner
    do throws(Errno) { root = try here.open(point, [.readOnly, .directory]) } catch {
      try? MountProgram.unmount(point)
      throw StoreError(error, "open \(point)")
    }
    try MountProgram.unmount(point)
    // The mount program has the layers' directories open, but their removal does not ask it.
    return DiffDirectories(own: [SharedDescriptor(root)], lowers: parts.own + parts.lowers)
  }
}
