import StrataFUSE
import StrataSystem
import StrataTestSupport
import Synchronization
import Testing

/// A memory file system that is mounted for the life of this value and served by a thread.
private final class MountedMemory: Sendable {
  let fileSystem = MemoryFileSystem()
  let scratch: ScratchDirectory
  let mount: Mount
  private let ended: SharedDescriptor
  private let end: SharedDescriptor

  init(_ change: (inout MountOptions) -> Void = { _ in }) throws {
    scratch = try ScratchDirectory("fuse")
    var options = MountOptions()
    options.mountPoint = try scratch.makeDirectory("m")
    options.subtype = "strata-test"
    options.source = "strata,test"
    change(&options)
    mount = try Mount(options)
    let session = try Session(fileSystem, device: mount.device)
    (ended, end) = try packetSocketPair()
    let end = end
    try startDetachedThread {
      let failed = (try? session.serve()) == nil
      // A view does not keep its owner: the socket would be closed before the byte is written.
      withExtendedLifetime(end) { try? end.view.writeAll([failed ? 1 : 0]) }
    }
  }

  deinit { mount.unmount() }

  var root: RawPath { mount.path }

  /// Opens the mount's root; the descriptor keeps the mount busy.
  func open() throws -> FileDescriptorOwner {
    try FileDescriptor.workingDirectory.open(root, [.readOnly, .directory])
  }

  /// Unmounts and waits for the loop: true if it ended without an error.
  func finish() throws -> Bool {
    mount.unmount()
    let buffer = ByteBuffer(capacity: 8)
    try buffer.fill { (span: inout MutableRawSpan) throws(Errno) -> Int in
      try ended.view.read(into: &span)
    }
    return buffer.withBytes { $0.byte(at: 0) } == 0
  }
}

@Suite(
  "A mount through /dev/fuse", .tags(.fuse, .root), .needsFuse, .needsRoot, .serialized,
  .timeLimit(.minutes(1)))
struct MountTests {
  @Test("files, links and directories go all the way")
  func servesFiles() throws {
    let mounted = try MountedMemory()
    do {
      let root = try mounted.open()
      let file = try root.view.open("file", [.readWrite, .create, .exclusive], mode: 0o640)
      try file.view.writeAll(Array("hello".utf8))
      #expect(try root.view.contents(of: "file") == Array("hello".utf8))
      try file.view.truncate(to: 2)
      #expect(try root.view.status(of: "file").size == 2)
      #expect(try root.view.status(of: "file").mode == 0o100640)
      try root.view.makeDirectory("sub", mode: 0o755)
      try root.view.makeSymlink("link", to: "sub/target")
      #expect(try root.view.readLink("link") == "sub/target")
      try root.view.rename("file", to: root.view, "sub/moved")
      #expect(try root.view.contents(of: "sub/moved") == Array("he".utf8))
      try root.view.unlink("sub/moved")
      try root.view.removeDirectory("sub")
      #expect(try root.view.entries().map(\.name) == ["link"])
      #expect(throws: Errno.noSuchFileOrDirectory) { try root.view.status(of: "file") }
    }
    #expect(try mounted.finish())
  }

  @Test("large reads and writes come in large pieces")
  func movesLargeData() throws {
    let mounted = try MountedMemory()
    do {
      let root = try mounted.open()
      let bytes = (0..<(3 << 20)).map { UInt8(truncatingIfNeeded: $0 / 4096) }
      let file = try root.view.open("large", [.readWrite, .create], mode: 0o600)
      try file.view.writeAll(bytes)
      #expect(mounted.fileSystem.counts.withLock { $0["write"] } == 3)
      #expect(try root.view.contents(of: "large") == bytes)
    }
    #expect(try mounted.finish())
  }

  @Test("a listing of many names is whole, and its lookups are given back")
  func listsMany() throws {
    let mounted = try MountedMemory()
    let names = (0..<3000).map { RawPath("a name of some length \($0)") }.sorted()
    do {
      let root = try mounted.open()
      for name in names {
        _ = try root.view.open(name, [.writeOnly, .create], mode: 0o600)
      }
      #expect(try root.view.entries().map(\.name).sorted() == names)
      for name in names { try root.view.unlink(name) }
      #expect(try root.view.entries().isEmpty)
    }
    #expect(mounted.fileSystem.heldNodes < 10)
    #expect(try mounted.finish())
  }

  @Test("what was answered for ever is not asked again")
  func remembers() throws {
    let mounted = try MountedMemory()
    do {
      let root = try mounted.open()
      for _ in 0..<50 { _ = try? root.view.status(of: "absent") }
      _ = try root.view.open("file", [.writeOnly, .create], mode: 0o600)
      for _ in 0..<50 { _ = try root.view.status(of: "file") }
      let counts = mounted.fileSystem.counts.withLock { $0 }
      #expect((counts["lookup"] ?? 0) <= 3)
      #expect((counts["attributes"] ?? 0) <= 2)
    }
    #expect(try mounted.finish())
  }

  @Test("writes do not ask for security.capability each time, but suid bits go")
  func handlesPrivileges() throws {
    let mounted = try MountedMemory()
    do {
      let root = try mounted.open()
      let file = try root.view.open("file", [.writeOnly, .create], mode: 0o600)
      for _ in 0..<100 { try file.view.writeAll([1, 2, 3]) }
      let counts = mounted.fileSystem.counts.withLock { $0 }
      #expect((counts["xattr"] ?? 0) <= 2)
      #expect(counts["write"] == 100)
    }
    #expect(try mounted.finish())
  }

  @Test("extended attributes come back")
  func keepsXattrs() throws {
    let mounted = try MountedMemory()
    do {
      let root = try mounted.open()
      let file = try root.view.open("file", [.readWrite, .create], mode: 0o600)
      try file.view.setXattr("user.one", [1, 2, 3])
      try file.view.setXattr("user.two", [])
      #expect(try file.view.xattr("user.one") == [1, 2, 3])
      #expect(try file.view.xattr("user.two") == [])
      #expect(try file.view.xattrNames().sorted() == ["user.one", "user.two"])
      #expect(throws: Errno.noData) { try file.view.xattr("user.three") }
    }
    #expect(try mounted.finish())
  }

  @Test("a mount in use is detached, served on, and ends with its last user")
  func detaches() throws {
    let mounted = try MountedMemory()
    do {
      let root = try mounted.open()
      let file = try root.view.open("file", [.readWrite, .create], mode: 0o600)
      mounted.mount.unmount()
      #expect(try !isMountPoint(mounted.root))
      try file.view.writeAll(Array("still here".utf8))
      #expect(try root.view.contents(of: "file") == Array("still here".utf8))
    }
    #expect(try mounted.finish())
  }

  @Test("the mount table shows type, source and flags")
  func showsInTheTable() throws {
    let mounted = try MountedMemory { $0.flags = [.readOnly, .noExecution] }
    let found = try #require(try mounts(below: mounted.root).first)
    #expect(found.type == "fuse.strata-test")
    #expect(found.source == "strata,test")
    #expect(found.options.hasPrefix("ro,"))
    #expect(found.options.contains("noexec"))
    #expect(found.superOptions.contains("default_permissions,allow_other"))
    #expect(throws: Errno.readOnlyFileSystem) {
      let root = try mounted.open()
      try root.view.makeDirectory("d", mode: 0o755)
    }
    #expect(try mounted.finish())
  }

  @Test("a mount point that is not there is named")
  func namesTheMountPoint() throws {
    var options = MountOptions()
    options.mountPoint = "/nowhere/at/all"
    #expect {
      _ = try Mount(options)
    } throws: { error in
      "\(error)" == "failed to access mountpoint /nowhere/at/all: no such file or directory"
    }
  }
}
