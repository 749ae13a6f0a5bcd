import StrataFUSE
import StrataOverlay
import StrataSystem
import Testing

/// One way of writing directories in `-o`, and what is understood.
struct LayersCase: Sendable, CustomTestStringConvertible {
  let text: String
  let lowers: [RawPath]
  var dataOnly: [RawPath] = []
  var upper: RawPath?
  var work: RawPath?

  var testDescription: String { text }

  static let all: [LayersCase] = [
    LayersCase(text: "lowerdir=/a", lowers: ["/a"]),
    LayersCase(text: "lowerdir=/a:/b:/a", lowers: ["/a", "/b", "/a"]),
    LayersCase(text: "lowerdir=:/a:", lowers: ["/a"]),
    LayersCase(text: "lowerdir=relative:../up", lowers: ["relative", "../up"]),
    // As containers-storage leaves commas behind.
    LayersCase(
      text: "lowerdir=/e,upperdir=/u,workdir=/w,,volatile", lowers: ["/e"], upper: "/u", work: "/w"),
    LayersCase(
      text: "lowerdir=/e,upperdir=/u,workdir=/w,", lowers: ["/e"], upper: "/u", work: "/w"),
    // One or two backslashes before a colon or a comma.
    LayersCase(text: #"lowerdir=/a\:b:/c"#, lowers: ["/a:b", "/c"]),
    LayersCase(text: #"lowerdir=/a\\:b:/c"#, lowers: ["/a:b", "/c"]),
    LayersCase(text: #"lowerdir=/a\,b:/c"#, lowers: ["/a,b", "/c"]),
    LayersCase(text: #"lowerdir=/a\\,b:/c"#, lowers: ["/a,b", "/c"]),
    LayersCase(text: #"lowerdir=/a\\b:/c"#, lowers: [#"/a\b"#, "/c"]),
    LayersCase(text: #"lowerdir=/a\"#, lowers: [#"/a\"#]),
    LayersCase(
      text: #"lowerdir=/l,upperdir=/u\,1,workdir=/w\:2"#, lowers: ["/l"], upper: "/u,1",
      work: "/w:2"),
    // The kernel's forms.
    LayersCase(text: "lowerdir=/a:/b::/d1::/d2", lowers: ["/a", "/b"], dataOnly: ["/d1", "/d2"]),
    LayersCase(
      text: "lowerdir+=/a:b,lowerdir+=/c,datadir+=/d", lowers: ["/a:b", "/c"], dataOnly: ["/d"]),
    LayersCase(text: "lowerdir=/old,lowerdir=/new", lowers: ["/new"]),
    LayersCase(text: #"lowerdir="/with,comma:/b""#, lowers: ["/with,comma", "/b"]),
  ]
}

/// An option that leaves a mark, and the mark.
struct SettingCase: Sendable, CustomTestStringConvertible {
  let text: String
  let holds: @Sendable (OverlayOptions) -> Bool

  init(_ text: String, _ holds: @escaping @Sendable (OverlayOptions) -> Bool) {
    self.text = text
    self.holds = holds
  }

  var testDescription: String { text }

  static let all: [SettingCase] = [
    SettingCase("xino=off") { $0.syncs && $0.acl && $0.xattrs && !$0.writeback },
    SettingCase("volatile") { !$0.syncs },
    SettingCase("fsync=0") { !$0.syncs },
    SettingCase("fsync=1") { $0.syncs },
    SettingCase("fsync=volatile") { !$0.syncs },
    SettingCase("fsync=strict") { $0.syncs },
    SettingCase("fsync=auto") { $0.syncs },
    SettingCase("sync=0") { !$0.syncs },
    SettingCase("sync") { $0.syncs && $0.mount.flags.contains(.synchronous) },
    SettingCase("noacl") { !$0.acl },
    SettingCase("noxattrs=1") { !$0.xattrs },
    SettingCase("noxattrs=0") { $0.xattrs },
    SettingCase("writeback=1") { $0.writeback },
    SettingCase("threaded=0") { $0.threads == 0 },
    SettingCase("timeout=0") { $0.lifetime == .none },
    SettingCase("timeout=1.5") {
      $0.lifetime == CacheLifetime(seconds: 1, nanoseconds: 500_000_000)
    },
    SettingCase("redirect_dir=on") { $0.redirect == .on },
    SettingCase("redirect_dir=nofollow") { $0.redirect == .noFollow },
    SettingCase("metacopy=on") { $0.metacopy },
    SettingCase("xino=on") { $0.xino == .on },
    SettingCase("userxattr") { $0.userXattr },
    SettingCase("static_nlink") { $0.staticLinkCount },
    SettingCase("xattr_permissions=2") { $0.xattrPermissions == .user },
    SettingCase("xattr_permissions=1") { $0.xattrPermissions == .privileged },
    SettingCase("squash_to_root,squash_to_uid=7,squash_to_gid=8") {
      $0.squashToRoot && $0.squashToUID == 7 && $0.squashToGID == 8
    },
    SettingCase("uidmapping=:0:200000:65536") {
      $0.uidRanges == [IDRange(host: 0, mount: 200_000, count: 65536)]
    },
    SettingCase("gidmapping=0:1000:1:1:100000:65536") {
      $0.gidRanges == [
        IDRange(host: 0, mount: 1000, count: 1), IDRange(host: 1, mount: 100_000, count: 65536),
      ]
    },
    SettingCase(#"context="system_u:object_r:container_file_t:s0:c1,c2",noacl"#) {
      !$0.acl
        && $0.mount.securityContexts == [#"context="system_u:object_r:container_file_t:s0:c1,c2""#]
    },
    SettingCase("ro") { $0.mount.flags.contains(.readOnly) && $0.isReadOnly },
    SettingCase("ro,rw") { !$0.mount.flags.contains(.readOnly) },
    SettingCase("nodev,nosuid,noexec") {
      $0.mount.devices == false && $0.mount.setUserID == false
        && $0.mount.flags.contains(.noExecution)
    },
    SettingCase("dev,suid,exec,atime") {
      $0.mount.devices == true && $0.mount.setUserID == true && $0.mount.flags.isEmpty
    },
    SettingCase("fsname=a,subtype=b") { $0.mount.source == "a" && $0.mount.subtype == "b" },
    SettingCase("debug") { $0.debug && $0.foreground },
  ]
}

/// A command line that is refused, and the text of the refusal.
struct RefusedCase: Sendable, CustomTestStringConvertible {
  let arguments: [RawPath]
  let text: String

  init(_ arguments: [RawPath], _ text: String) {
    self.arguments = arguments
    self.text = text
  }

  var testDescription: String { text }

  static let all: [RefusedCase] = [
    RefusedCase([], "no mountpoint specified"),
    RefusedCase(["-o", "lowerdir=/l"], "no mountpoint specified"),
    RefusedCase(["/m"], "cannot read lower dirs: no lowerdir= was given"),
    RefusedCase(["-o", "lowerdir=::", "/m"], "cannot read lower dirs: no lowerdir= was given"),
    RefusedCase(["-o", "lowerdir=/l,upperdir=/u", "/m"], "workdir not specified"),
    RefusedCase(["-o", "lowerdir=", "/m"], "option lowerdir needs a value"),
    RefusedCase(["-o"], "option -o needs an argument"),
    RefusedCase(["-o", "lowerdir=/l,bogus=1", "/m"], "unknown option: bogus=1"),
    RefusedCase(["-o", "lowerdir=/l,x", "/m"], "unknown option: x"),
    RefusedCase(["--bogus", "/m"], "unknown option: --bogus"),
    RefusedCase(["-o", "lowerdir=/l", "a", "b", "c"], "unexpected argument: b"),
    RefusedCase(["-o", "lowerdir=/l,uidmapping=0:1", "/m"], "invalid mapping specified: 0:1"),
    RefusedCase(["-o", "lowerdir=/l,uidmapping=a:b:c", "/m"], "invalid mapping specified: a:b:c"),
    RefusedCase(
      ["-o", "lowerdir=/l,redirect_dir=maybe", "/m"], "invalid value: redirect_dir=maybe"),
    RefusedCase(["-o", "lowerdir=/l,threaded=-1", "/m"], "invalid value: threaded=-1"),
    RefusedCase(
      ["-o", "lowerdir=/l,verity=require", "/m"],
      "verity=require is not supported: no digests are checked"),
    RefusedCase(["-o", "lowerdir=/l,timeout=soon", "/m"], "invalid value: timeout=soon"),
    RefusedCase(
      ["-o", "lowerdir=//name/data/path", "/m"],
      "plugin layers are not supported: //name/data/path"),
  ]
}

@Suite("The command line of strata-overlay")
struct OptionsTests {
  private func options(_ arguments: [RawPath], _ environment: [String: String] = [:]) throws
    -> OverlayOptions
  {
    guard
      case .mount(let options) = try Invocation(
        arguments: arguments, environment: { environment[$0] })
    else { throw UsageError("not a mount") }
    return options
  }

  @Test("directories", arguments: LayersCase.all)
  func readsLayers(_ given: LayersCase) throws {
    let options = try options(["-o", RawPath(given.text), "/m"])
    #expect(options.lowers == given.lowers)
    #expect(options.dataOnlyLowers == given.dataOnly)
    #expect(options.upper == given.upper)
    #expect(options.work == given.work)
    #expect(options.mount.mountPoint == "/m")
  }

  @Test("settings", arguments: SettingCase.all)
  func readsSettings(_ given: SettingCase) throws {
    #expect(
      given.holds(
        try options(["-o", "lowerdir=/l,upperdir=/u,workdir=/w", "-o", RawPath(given.text), "/m"])))
  }

  @Test("refusals name what is wrong", arguments: RefusedCase.all)
  func refuses(_ given: RefusedCase) {
    #expect(throws: UsageError(given.text)) { try options(given.arguments) }
  }

  @Test(
    "words of libfuse, the peers, mount(8) and fstab are read over",
    arguments: [
      "rw,defaults,auto,noauto,user,users,nouser,owner,group,nofail,_netdev", "async,lazytime",
      "nolazytime,relatime,norelatime,strictatime,mand,nomand,iversion,noiversion,remount",
      "x-systemd.automount,x-foo=bar,comment=hi", "private,rshared,slave,unbindable",
      "default_permissions,allow_other,allow_root,splice_read,splice_write,splice_move",
      "kernel_cache,max_write=1000,clone_fd,max_idle_threads=3,auto_unmount,big_writes",
      "index=off,nfs_export=off,verity=off,uuid=auto,plugins=a.so:b.so,fast_ino=1,nodiratime",
    ])
  func readsOver(words: String) throws {
    _ = try options(["-o", RawPath("lowerdir=/l," + words), "/m"])
  }

  @Test("forms of the command line")
  func readsForms() throws {
    // As mount(8) runs it for `mount -t fuse.fuse-overlayfs` and fstab.
    #expect(
      try options(["none", "/m", "-o", "ro,lowerdir=/l,dev,suid"]).mount.mountPoint == "/m")
    #expect(try options(["-olowerdir=/l", "/m"]).lowers == ["/l"])
    #expect(try options(["-f", "-o", "lowerdir=/l", "/m"]).foreground)
    #expect(try options(["-d", "-o", "lowerdir=/l", "/m"]).debug)
    #expect(try options(["-s", "-n", "/m", "-o", "lowerdir=/l"]).lowers == ["/l"])
    #expect(
      try options(["-t", "fuse.x", "-o", "lowerdir=/l", "--", "-m"]).mount.mountPoint == "-m")
    #expect(try options(["-r", "-o", "lowerdir=/l", "/m"]).isReadOnly)
    #expect(try options(["-o", "lowerdir=/l", "/dev/fd/7"]).mount.givenDevice == 7)
  }

  @Test("help and version need nothing else", arguments: ["-h", "--help", "-V", "--version"])
  func answersQuestions(flag: String) throws {
    switch try Invocation(arguments: [RawPath(flag)]) {
    case .showHelp: #expect(flag.hasSuffix("h") || flag == "--help")
    case .showVersion: #expect(flag.hasSuffix("V") || flag == "--version")
    case .mount: Issue.record("taken for a mount")
    }
  }

  @Test("bytes that are no UTF-8 stay as they are")
  func keepsBytes() throws {
    let path: [UInt8] = [0x2f, 0xff, 0xfe, 0x61]
    let options = try options(["-o", RawPath(Array("lowerdir=".utf8) + path), RawPath(path)])
    #expect(options.lowers == [RawPath(path)])
    #expect(options.mount.mountPoint == RawPath(path))
  }

  @Test("a hundred thousand bytes of layers")
  func readsManyLayers() throws {
    let lowers = (0..<2500).map { RawPath("/var/lib/containers/storage/overlay/l/\($0)") }
    let text = "lowerdir=" + lowers.map(\.description).joined(separator: ":")
    #expect(try options(["-o", RawPath(text), "/m"]).lowers == lowers)
  }

  @Test("the environment can switch device whiteouts off")
  func readsTheEnvironment() throws {
    let arguments: [RawPath] = ["-o", "lowerdir=/l", "/m"]
    #expect(try options(arguments).deviceWhiteouts)
    #expect(
      try !options(arguments, ["FUSE_OVERLAYFS_DISABLE_OVL_WHITEOUT": "1"]).deviceWhiteouts)
  }
}
