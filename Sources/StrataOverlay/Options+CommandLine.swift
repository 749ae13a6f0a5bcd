import StrataFUSE
package import StrataSystem

extension Invocation {
  /// Reads a whole command line, `argv[0]` left out.
  ///
  /// Forms: `-o OPTS TARGET` as containers-storage runs it, and `SOURCE TARGET -o OPTS` as mount(8)
  /// does for `mount -t fuse.NAME` and fstab; options may stand anywhere. Errors name what is wrong.
  package init(
    arguments: [RawPath], environment: (String) -> String? = { _ in nil }
  ) throws(UsageError) {
    var options = OverlayOptions()
    var words: [RawPath] = []
    var onlyWords = false
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      if onlyWords || argument == "-" || !argument.hasPrefix("-") {
        words.append(argument)
        continue
      }
      switch argument.description {
      case "--": onlyWords = true
      case "-h", "--help":
        self = .showHelp
        return
      case "-V", "--version":
        self = .showVersion
        return
      case "-f": options.foreground = true
      case "-d", "--debug": (options.debug, options.foreground) = (true, true)
      case "-r": options.mount.flags.insert(.readOnly)
      case "-w": options.mount.flags.remove(.readOnly)
      // Single thread; and mount(8)'s sloppy, no mtab, verbose.
      case "-s", "-n", "-v": break
      // mount(8)'s file system type and mount namespace.
      case "-t", "-N", "-o":
        guard let value = rest.popFirst() else {
          throw UsageError("option \(argument) needs an argument")
        }
        if argument == "-o" { try options.apply(value.bytes) }
      case "--log-level":
        guard let value = rest.popFirst() else {
          throw UsageError("option \(argument) needs an argument")
        }
        try options.setLogLevel(value)
      default:
        if argument.hasPrefix(logLevelPrefix) {
          try options.setLogLevel(RawPath(argument.bytes.dropFirst(logLevelPrefix.count)))
          continue
        }
        guard argument.hasPrefix("-o") else { throw UsageError("unknown option: \(argument)") }
        try options.apply(argument.bytes.dropFirst(2))
      }
    }
    try options.take(words: words)
    try options.finish(environment)
    self = .mount(options)
  }
}

private let logLevelPrefix: RawPath = "--log-level="

extension OverlayOptions {
  fileprivate mutating func setLogLevel(_ value: RawPath) throws(UsageError) {
    logLevel = try choice(
      "--log-level", value.bytes[...],
      ["error": .error, "warning": .warning, "info": .info, "debug": .debug])
  }

  /// The mount point is the last word; one before it is mount(8)'s source, which means nothing here.
  fileprivate mutating func take(words: [RawPath]) throws(UsageError) {
    guard let target = words.last else { throw UsageError("no mountpoint specified") }
    if words.count > 2 { throw UsageError("unexpected argument: \(words[1])") }
    mount.mountPoint = target
  }

  /// What must be so once everything is read.
  fileprivate mutating func finish(_ environment: (String) -> String?) throws(UsageError) {
    if lowers.isEmpty { throw UsageError("cannot read lower dirs: no lowerdir= was given") }
    if upper != nil, work == nil { throw UsageError("workdir not specified") }
    if environment("FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT") != nil { deviceWhiteouts = false }
  }

  /// Takes one `-o` argument.
  ///
  /// Later options win over earlier ones; empty items mean nothing, since containers-storage leaves
  /// commas behind.
  fileprivate mutating func apply(_ text: ArraySlice<UInt8>) throws(UsageError) {
    for item in OptionText.items(text) {
      let (name, value) = OptionText.split(item)
      if try applyLayer(name, value) { continue }
      if try applyShown(name, value) { continue }
      if try applyServing(name, value) { continue }
      if applyMount(name, value) || isIgnored(name, hasValue: value != nil) { continue }
      throw UsageError("unknown option: \(RawPath(item))")
    }
  }

  /// The directories that make the mount.
  private mutating func applyLayer(
    _ name: String, _ value: ArraySlice<UInt8>?
  ) throws(UsageError) -> Bool {
    switch name {
    case "lowerdir": try setLowers(required(name, value))
    case "lowerdir+": lowers.append(OptionText.plain(try required(name, value)))
    case "datadir+": dataOnlyLowers.append(OptionText.plain(try required(name, value)))
    case "upperdir": upper = OptionText.plain(try required(name, value))
    case "workdir": work = OptionText.plain(try required(name, value))
    default: return false
    }
    return true
  }

  /// Topmost first; what stands behind `::` gives data only; other empty pieces vanish, as they do
  /// in the peer.
  private mutating func setLowers(_ value: ArraySlice<UInt8>) throws(UsageError) {
    (lowers, dataOnlyLowers) = ([], [])
    var dataOnly = false
    for piece in OptionText.list(value) {
      if piece.isEmpty {
        dataOnly = !lowers.isEmpty
        continue
      }
      if piece.hasPrefix("//") {
        throw UsageError("plugin layers are not supported: \(piece)")
      }
      if dataOnly { dataOnlyLowers.append(piece) } else { lowers.append(piece) }
    }
  }

  /// What the mount shows of the layers, and what it writes into the upper one.
  private mutating func applyShown(
    _ name: String, _ value: ArraySlice<UInt8>?
  ) throws(UsageError) -> Bool {
    switch name {
    case "redirect_dir":
      redirect = try choice(
        name, value, ["off": .off, "nofollow": .noFollow, "follow": .follow, "on": .on])
    case "metacopy": metacopy = try choice(name, value, ["on": true, "off": false])
    case "xino": xino = try choice(name, value, ["off": .off, "auto": .automatic, "on": .on])
    case "index", "nfs_export": _ = try choice(name, value, ["on": true, "off": false])
    case "verity":
      guard try choice(name, value, ["off": true, "on": true, "require": false]) else {
        // To be read over it would have to be kept.
        throw UsageError("verity=require is not supported: no digests are checked")
      }
    case "uuid": _ = try choice(name, value, ["off": 0, "null": 1, "auto": 2, "on": 3])
    case "userxattr": userXattr = true
    case "uidmapping": uidRanges = try idRanges(name, value)
    case "gidmapping": gidRanges = try idRanges(name, value)
    case "squash_to_root": squashToRoot = true
    case "squash_to_uid": squashToUID = try number(name, value)
    case "squash_to_gid": squashToGID = try number(name, value)
    case "static_nlink": staticLinkCount = true
    case "xattr_permissions":
      xattrPermissions = try choice(name, value, ["0": .off, "1": .privileged, "2": .user])
    case "noacl": acl = false
    case "noxattrs": xattrs = try !isOn(name, value)
    default: return false
    }
    return true
  }

  /// How requests are answered.
  private mutating func applyServing(
    _ name: String, _ value: ArraySlice<UInt8>?
  ) throws(UsageError) -> Bool {
    switch name {
    case "timeout":
      let text = String(decoding: try required(name, value), as: UTF8.self)
      guard let seconds = Double(text) else { throw UsageError("invalid value: \(name)=\(text)") }
      lifetime = CacheLifetime(seconds)
    case "threaded": threads = try number(name, value)
    case "fsync" where value != nil:
      // Words are the kernel's overlay's, numbers the peer's.
      syncs = try choice(
        name, value,
        [
          "0": false, "1": true, "off": false, "on": true,
          "volatile": false, "auto": true, "strict": true,
        ])
    case "fsync": syncs = true
    case "sync" where value != nil: syncs = try isOn(name, value)
    case "volatile": syncs = false
    case "spin": spin = try number(name, value)
    case "node-limit": nodeLimit = try number(name, value)
    case "readahead": readahead = try choice(name, value, ["on": true, "off": false])
    case "passthrough": passthrough = try choice(name, value, ["auto": true, "off": false])
    case "writeback": writeback = try isOn(name, value)
    case "debug" where value == nil: (debug, foreground) = (true, true)
    default: return false
    }
    return true
  }
}

extension OverlayOptions {
  /// Words that mount(2) or the FUSE file system type takes.
  private mutating func applyMount(_ name: String, _ value: ArraySlice<UInt8>?) -> Bool {
    switch (name, value) {
    case ("ro", nil): mount.flags.insert(.readOnly)
    case ("rw", nil): mount.flags.remove(.readOnly)
    case ("suid", nil): mount.setUserID = true
    case ("nosuid", nil): mount.setUserID = false
    case ("dev", nil): mount.devices = true
    case ("nodev", nil): mount.devices = false
    case ("exec", nil): mount.flags.remove(.noExecution)
    case ("noexec", nil): mount.flags.insert(.noExecution)
    case ("atime", nil): mount.flags.remove(.noAccessTime)
    case ("noatime", nil): mount.flags.insert(.noAccessTime)
    case ("diratime", nil): mount.flags.remove(.noDirectoryAccessTime)
    case ("nodiratime", nil): mount.flags.insert(.noDirectoryAccessTime)
    case ("sync", nil): mount.flags.insert(.synchronous)
    case ("dirsync", nil): mount.flags.insert(.directorySynchronous)
    case ("async", nil): mount.flags.subtract([.synchronous, .directorySynchronous])
    case ("allow_other", nil), ("allow_root", nil): mount.allowOther = true
    case ("fsname", let value?): mount.source = OptionText.plain(value)
    case ("subtype", let value?): mount.subtype = OptionText.plain(value)
    case ("context", let value?), ("fscontext", let value?), ("defcontext", let value?),
      ("rootcontext", let value?):
      mount.securityContexts.append(
        RawPath(Array("\(name)=\"".utf8) + value + [UInt8(ascii: "\"")]))
    default: return false
    }
    return true
  }

  /// What is accepted and means nothing here: options of libfuse and the peers whose effect Strata
  /// always has or never needs, and the words of mount(8) and fstab that reach a helper.
  private func isIgnored(_ name: String, hasValue: Bool) -> Bool {
    if hasValue { return ignoredSettings.contains(name) || name.hasPrefix("x-") }
    return ignoredWords.contains(name) || name.hasPrefix("x-") || name.hasPrefix("X-")
  }
}

/// Options with a value that are read over.
private let ignoredSettings: Set<String> = [
  "plugins", "fast_ino", "max_write", "max_read", "max_readahead", "max_background",
  "congestion_threshold", "max_idle_threads", "max_threads", "entry_timeout", "attr_timeout",
  "negative_timeout", "ac_attr_timeout", "blksize", "user_id", "group_id", "rootmode", "comment",
  "override_creds", "fsverity",
]

/// Options without a value that are read over.
private let ignoredWords: Set<String> = [
  // libfuse and the peers
  "default_permissions", "splice_write", "splice_read", "splice_move", "no_splice_write",
  "no_splice_read", "no_splice_move", "kernel_cache", "auto_cache", "clone_fd", "auto_unmount",
  "async_read", "sync_read", "big_writes", "nonempty", "atomic_o_trunc", "hard_remove", "use_ino",
  "readdir_ino", "posixacl", "acl", "fast_ino", "override_creds", "nooverride_creds", "blkdev",
  "no_remote_lock", "no_remote_flock", "no_remote_posix_lock", "intr", "large_read",
  // mount(8) and fstab
  "defaults", "auto", "noauto", "user", "nouser", "users", "owner", "group", "nofail", "_netdev",
  "remount", "lazytime", "nolazytime", "relatime", "norelatime", "strictatime", "nostrictatime",
  "mand", "nomand", "iversion", "noiversion", "silent", "loud", "seclabel", "quiet",
  "nosymfollow", "symfollow", "private", "rprivate", "shared", "rshared", "slave", "rslave",
  "unbindable", "runbindable",
]

// MARK: - Values

private func required(
  _ name: String, _ value: ArraySlice<UInt8>?
) throws(UsageError) -> ArraySlice<UInt8> {
  guard let value, !value.isEmpty else { throw UsageError("option \(name) needs a value") }
  return value
}

/// None for an empty value, which the peers pass for the side that has no map.
private func idRanges(
  _ name: String, _ value: ArraySlice<UInt8>?
) throws(UsageError) -> [IDRange] {
  if let value, value.isEmpty { return [] }
  return try ranges(required(name, value))
}

private func choice<Value>(
  _ name: String, _ value: ArraySlice<UInt8>?, _ values: [String: Value]
) throws(UsageError) -> Value {
  let text = String(decoding: try required(name, value), as: UTF8.self)
  guard let result = values[text] else { throw UsageError("invalid value: \(name)=\(text)") }
  return result
}

/// `name`, `name=1` and `name=0`.
private func isOn(_ name: String, _ value: ArraySlice<UInt8>?) throws(UsageError) -> Bool {
  guard value != nil else { return true }
  return try choice(name, value, ["0": false, "1": true, "off": false, "on": true])
}

private func number(_ name: String, _ value: ArraySlice<UInt8>?) throws(UsageError) -> UInt32 {
  let text = String(decoding: try required(name, value), as: UTF8.self)
  guard let result = UInt32(text) else { throw UsageError("invalid value: \(name)=\(text)") }
  return result
}

/// `H:C:N[:H:C:N]…`, decimal; a colon in front is skipped, as containers-storage writes one.
private func ranges(_ value: ArraySlice<UInt8>) throws(UsageError) -> [IDRange] {
  let text = String(decoding: value, as: UTF8.self)
  let parts = text.split(separator: ":", omittingEmptySubsequences: false)
  let numbers = (text.hasPrefix(":") ? parts.dropFirst() : parts[...]).map { UInt32($0) }
  guard !numbers.isEmpty, numbers.count % 3 == 0 else {
    throw UsageError("invalid mapping specified: \(text)")
  }
  var result: [IDRange] = []
  for start in stride(from: 0, to: numbers.count, by: 3) {
    guard let host = numbers[start], let mount = numbers[start + 1], let count = numbers[start + 2]
    else { throw UsageError("invalid mapping specified: \(text)") }
    result.append(IDRange(host: host, mount: mount, count: count))
  }
  return result
}
