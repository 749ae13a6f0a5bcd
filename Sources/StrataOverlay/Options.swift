package import StrataFUSE
package import StrataSystem

/// What one run of `strata-overlay` was asked to do.
package enum Invocation: Sendable {
  case mount(OverlayOptions)
  case showHelp
  case showVersion
}

/// Why a command line was refused: one line for the person who wrote it.
package struct UsageError: Error, Sendable, Equatable, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}

/// A run of ids of the host shown as a run of ids of the mount (`uidmapping=`).
package struct IDRange: Hashable, Sendable {
  package var host, mount, count: UInt32

  package init(host: UInt32, mount: UInt32, count: UInt32) {
    self.host = host
    self.mount = mount
    self.count = count
  }
}

/// Everything that the command line says, defaults filled in; paths as given, relative ones count
/// from the working directory at the start.
package struct OverlayOptions: Sendable {
  // Layers

  /// Topmost first; may name one directory twice.
  package var lowers: [RawPath] = []
  /// Layers behind `::` that give data to metacopy files and no names.
  package var dataOnlyLowers: [RawPath] = []
  /// Nil: a read-only mount.
  package var upper: RawPath?
  /// The option's value; `work` below it is what is used.
  package var work: RawPath?

  // What is shown, and what is written

  package var redirect = RedirectMode.follow
  package var metacopy = false
  package var xino = XinoMode.automatic
  /// Kernel overlay's `userxattr`: private marks are `user.overlay.`.
  package var userXattr = false
  package var uidRanges: [IDRange] = []
  package var gidRanges: [IDRange] = []
  package var squashToRoot = false
  package var squashToUID: UInt32?
  package var squashToGID: UInt32?
  /// Directories report one link, so that a lookup need not read them.
  package var staticLinkCount = false
  package var xattrPermissions = XattrPermissions.off
  package var lifetime = CacheLifetime.forever
  /// False for `fsync=0` and `volatile`: nothing is ever made durable.
  package var syncs = true
  /// False for `noacl`.
  package var acl = true
  /// False for `noxattrs`: extended attributes answer ENOSYS.
  package var xattrs = true
  package var writeback = false
  /// For how many microseconds at most the reader looks for the next request before it sleeps, while
  /// that pays.
  package var spin: UInt32 = 50
  /// False for `passthrough=off`: every byte goes through the daemon.
  package var passthrough = true
  /// False for `readahead=off`: no small lower file is read before it is opened.
  package var readahead = true
  /// Above so many known nodes the kernel is asked to let go of those that nobody uses.
  package var nodeLimit: UInt32 = 1 << 18
  /// False if FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT is set: whiteouts are `.wh.` files then.
  package var deviceWhiteouts = true

  // How it is served and mounted

  /// `threaded=`: 0 no pool of workers, otherwise the number of readers.
  package var threads: UInt32 = 1
  package var mount = MountOptions()
  package var foreground = false
  package var debug = false
  /// `--log-level`: what is less important is not written.
  package var logLevel = LogLevel.warning

  package var isReadOnly: Bool { upper == nil || mount.flags.contains(.readOnly) }

  package init() {}
}

/// `redirect_dir=`: whether renamed directories of lower layers are followed, and made.
package enum RedirectMode: Sendable {
  case off, noFollow, follow, on
}

/// `xino=`: whether inode numbers of several file systems are told apart by their high bits.
package enum XinoMode: Sendable {
  case off, automatic, on
}

/// `xattr_permissions=`: owner and mode kept in an extended attribute, for backing file systems that
/// cannot hold them.
package enum XattrPermissions: Sendable {
  case off
  /// `security.fuseoverlayfs.override_stat`
  case privileged
  /// `user.containers.override_stat`
  case user
}
