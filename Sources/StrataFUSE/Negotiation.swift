/// The flags of INIT, 64 bits: `flags` below, `flags2` above (kernel's uapi/linux/fuse.h).
package struct Capabilities: OptionSet, Sendable {
  package let rawValue: UInt64
  package init(rawValue: UInt64) { self.rawValue = rawValue }

  private init(bit: UInt64) { rawValue = 1 << bit }

  package static let asyncRead = Capabilities(bit: 0)
  package static let posixLocks = Capabilities(bit: 1)
  package static let atomicTruncate = Capabilities(bit: 3)
  package static let exportSupport = Capabilities(bit: 4)
  package static let bigWrites = Capabilities(bit: 5)
  package static let dontMask = Capabilities(bit: 6)
  package static let flockLocks = Capabilities(bit: 10)
  package static let ioctlOnDirectories = Capabilities(bit: 11)
  package static let autoInvalidateData = Capabilities(bit: 12)
  package static let readDirectoryPlus = Capabilities(bit: 13)
  package static let readDirectoryPlusAuto = Capabilities(bit: 14)
  package static let asyncDirectIO = Capabilities(bit: 15)
  package static let writebackCache = Capabilities(bit: 16)
  package static let noOpen = Capabilities(bit: 17)
  package static let parallelDirectoryOperations = Capabilities(bit: 18)
  package static let handleKillPrivileges = Capabilities(bit: 19)
  package static let posixACL = Capabilities(bit: 20)
  package static let maxPages = Capabilities(bit: 22)
  package static let cacheSymlinks = Capabilities(bit: 23)
  package static let noOpenDirectory = Capabilities(bit: 24)
  package static let explicitInvalidateData = Capabilities(bit: 25)
  package static let handleKillPrivilegesV2 = Capabilities(bit: 28)
  package static let extendedSetXattr = Capabilities(bit: 29)
  package static let extendedInit = Capabilities(bit: 30)
  package static let securityContext = Capabilities(bit: 32)
  package static let createSupplementaryGroup = Capabilities(bit: 34)
  package static let expireOnly = Capabilities(bit: 35)
  package static let directIOAllowMap = Capabilities(bit: 36)
  package static let passthrough = Capabilities(bit: 37)
  package static let noExportSupport = Capabilities(bit: 38)
  package static let resend = Capabilities(bit: 39)
  package static let allowIDMap = Capabilities(bit: 40)
  package static let overIOURing = Capabilities(bit: 41)
}

/// The INIT exchange: what the kernel offers, what will be asked for.
package struct Negotiation: Sendable {
  /// The kernel's protocol minor (the major is 7).
  package let kernelMinor: UInt32
  /// What the kernel can do.
  package let offered: Capabilities
  /// What is switched on; set only offered bits, others are dropped.
  package var wanted: Capabilities
  /// The largest WRITE.
  package var maxWrite: UInt32
  /// Can only be lowered.
  package var maxReadahead: UInt32
  package var maxBackground: UInt16
  package var congestionThreshold: UInt16
  /// Granularity of times in nanoseconds.
  package var timeGranularity: UInt32 = 1
  /// How many file systems may be stacked above and below, for passthrough; 0 switches it off.
  package var maxStackDepth: UInt32 = 0

  /// What every file system of ours wants: no umask in the kernel, readdirplus when it pays, big
  /// writes, parallel lookups, symlinks cached, and the killing of suid bits as our duty (else each
  /// WRITE first asks GETXATTR security.capability).
  ///
  /// AUTO_INVAL_DATA stays off: it throws the page cache away whenever a time changes.
  static let usual: Capabilities = [
    .asyncRead, .atomicTruncate, .bigWrites, .dontMask, .readDirectoryPlus,
    .readDirectoryPlusAuto, .asyncDirectIO, .parallelDirectoryOperations, .maxPages,
    .cacheSymlinks, .handleKillPrivilegesV2, .extendedSetXattr, .expireOnly, .ioctlOnDirectories,
  ]
}
