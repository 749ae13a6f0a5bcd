package import StrataSystem

/// What one overlay mount is made of: the parsed form of `-o`.
///
/// The texts and the meaning of each are fuse-overlayfs's; where the kernel's overlay has an option
/// of the same name, both mean the same here.
package struct OverlayOptions: Sendable {
  /// `redirect_dir=`: what becomes of directories with a lower part that are renamed.
  package enum RedirectMode: Sendable {
    /// EXDEV; redirects of lower layers are followed.
    case off
    /// EXDEV; redirects of lower layers are followed.
    case follow
    /// EXDEV; a redirected directory cannot be looked up (EPERM).
    case noFollow
    /// Renamed, and the old place recorded on the directory.
    case on
  }

  /// `xattr_permissions=`: owner and mode in an attribute instead of the inode.
  package enum XattrPermissions: Int, Sendable {
    case off = 0
    case security = 1
    case user = 2
  }

  /// `count` ids: on disk from `host` on, shown from `shown` on.
  package struct IDRange: Hashable, Sendable {
    package var host, shown, count: UInt32

    package init(host: UInt32, shown: UInt32, count: UInt32) {
      self.host = host
      self.shown = shown
      self.count = count
    }
  }

  /// The lower directories, topmost first. Names may lead through symbolic links.
  package var lowers: [RawPath] = []
  /// Lowers that are reached through redirects of metacopy files only (`::` and `datadir+=`).
  package var dataLowers: [RawPath] = []
  /// None makes a read-only mount.
  package var upper: RawPath?
  /// Needed with an upper; `work` below it is used.
  package var work: RawPath?

  /// Empty: ids are shown as they are.
  package var uidMapping: [IDRange] = []
  package var gidMapping: [IDRange] = []
  /// Every file is shown as owned by these.
  package var squashUID, squashGID: UInt32?

  package var redirect = RedirectMode.off
  package var xattrPermissions = XattrPermissions.off
  /// `timeout=`: seconds for which the kernel may believe what it was told.
  package var timeout = 1e9
  /// Off (`fsync=0`, `volatile`): nothing is ever synchronised.
  package var synchronizes = true
  /// Off (`noacl`): ACLs are plain attributes.
  package var checksACLs = true
  /// Off (`noxattrs=1`): attributes cannot be used.
  package var hasXattrs = true
  /// Directories always show one link.
  package var staticLinkCount = false
  /// `ro`, or no upper.
  package var readOnly = false
  /// Whiteouts are devices 0:0 where they can be made; off by FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT.
  package var deviceWhiteouts = true
  /// `userxattr`: marks are written as `user.overlay.` even where `trusted.` could be.
  package var userXattr = false
  /// `writeback=1`: the kernel gathers small writes.
  package var writeback = false

  package init() {}
}
