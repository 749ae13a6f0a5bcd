package import StrataSystem

/// One directory of the stack: the upper or a lower.
///
/// Everything in it is reached from the open root, a component at a time or with openat2 beneath
/// it, so that no link of a hostile layer leads outside.
package struct Layer: Sendable {
  package let root: SharedDescriptor
  package let isUpper: Bool
  /// Only reached through redirects of metacopy files.
  package let isDataOnly: Bool
  package let device: DeviceNumber
  /// Ids on disk against ids shown.
  ///
  /// A lower that is an idmapped mount already shows the right ones.
  package let mapping: IDMapping
  /// The attribute that holds owner and mode of this layer's files, if its root has one.
  package let override: RawPath?
  /// Whether the mount point lies in the directory.
  let holdsMountPoint: Bool
  /// Keeps the mount that `root` lies in, where that is the layer's own.
  private let ownMount: SharedDescriptor?

  /// Opens a layer's directory.
  ///
  /// `mapping` holds where the directory is not itself idmapped.
  init(
    opening path: RawPath, isUpper: Bool = false, isDataOnly: Bool = false, mapping: IDMapping,
    idmappedMounts: Set<UInt64>, around mountPoint: MountPointAncestors,
    override forced: RawPath? = nil
  ) throws(Errno) {
    var owner = try FileDescriptor.workingDirectory.openUndated(path, [.readOnly, .directory])
    let status = try owner.view.status()
    holdsMountPoint = mountPoint.contains(status)
    var ownMount: SharedDescriptor?
    if holdsMountPoint, !isUpper, let mount = Self.withoutMountPoint(owner.view) {
      owner = try mount.view.openUndated(".", [.readOnly, .directory])
      ownMount = mount
    }
    self.ownMount = ownMount
    device = status.device
    self.isUpper = isUpper
    self.isDataOnly = isDataOnly
    self.mapping =
      !isUpper && !mapping.isIdentity && idmappedMounts.contains(status.mountID)
      ? .identity : mapping
    if let forced {
      override = forced
    } else {
      let present = (try? owner.view.xattrNames()) ?? []
      override = OverrideStat.names.first { name in
        present.contains(name)
          && (try? owner.view.xattr(name)).flatMap { OverrideStat($0) } != nil
      }
    }
    root = SharedDescriptor(owner)
  }

  /// The directory in a mount of its own, in which ours will not be.
  ///
  /// Nil for one who may not make mounts and has to keep away from the mount point's name, as with the peer.
  private static func withoutMountPoint(_ directory: FileDescriptor) -> SharedDescriptor? {
    for withMountsBelow in [false, true] {
      if let mount = try? directory.detachedMount(withMountsBelow: withMountsBelow) {
        return SharedDescriptor(mount)
      }
    }
    return nil
  }

  /// The ids of mounts that the kernel maps ids for: those with `idmapped` among their options in
  /// /proc/self/mountinfo.
  package static func idmappedMounts() -> Set<UInt64> {
    guard
      let text = try? FileDescriptor.workingDirectory.contents(
        of: "/proc/self/mountinfo", limit: 64 << 20)
    else { return [] }
    var result: Set<UInt64> = []
    for line in text.split(separator: UInt8(ascii: "\n")) {
      let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 6)
      guard fields.count > 5, let id = UInt64(String(decoding: fields[0], as: UTF8.self)) else {
        continue
      }
      let options = fields[5].split(separator: UInt8(ascii: ","))
      if options.contains(where: { $0.elementsEqual("idmapped".utf8) }) { result.insert(id) }
    }
    return result
  }
}
