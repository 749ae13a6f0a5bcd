package import StrataSystem

/// How a file system is put into the tree.
package struct MountOptions: Sendable {
  package var mountPoint: RawPath = ""
  /// The first column of /proc/mounts.
  ///
  /// Tools look for the peer's name there and in the type.
  package var source: RawPath = "fuse-overlayfs"
  /// The type is `fuse.` and this.
  package var subtype: RawPath = "fuse-overlayfs"
  package var flags: MountFlags = [.noAccessTime]
  /// Words that decide `suid` and `dev`; nil: as the caller's rights allow.
  package var setUserID: Bool?
  package var devices: Bool?
  /// Users other than the one who mounts may enter; nil: if the caller has the right to say so.
  package var allowOther: Bool?
  /// The kernel checks permission bits itself.
  package var defaultPermissions = true
  package var maxRead: UInt32?
  /// SELinux's `context=` and its kin, as `name="value"`.
  package var securityContexts: [RawPath] = []

  package init() {}
}
