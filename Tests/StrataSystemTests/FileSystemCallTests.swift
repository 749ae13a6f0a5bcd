import StrataSystem
import StrataTestSupport
import Testing

/// The calls against the real kernel, in a scratch directory.
@Suite struct FileSystemCallTests {
  @Test func rootedResolutionStaysInside() throws {
    let scratch = try ScratchDirectory()
    let root = try FileDescriptor.workingDirectory.open(scratch.path, [.path, .directory])
    try root.view.makeDirectory("in", mode: 0o755)
    try root.view.makeSymlink("in/out", to: "/../../etc")
    #expect(throws: Errno.noSuchFileOrDirectory) {
      _ = try root.view.open("in/out/passwd", .readOnly, resolve: .inRoot)
    }
    #expect(throws: Errno.crossDeviceLink) {
      _ = try root.view.open("in/out", [.path], resolve: .beneath)
    }
  }

  @Test func copyKeepsHolesAndSize() throws {
    let scratch = try ScratchDirectory()
    let root = try FileDescriptor.workingDirectory.open(scratch.path, [.path, .directory])
    let source = try root.view.open("a", [.readWrite, .create], mode: 0o644)
    try source.view.writeAll(Array("head".utf8))
    try source.view.writeAll(Array("tail".utf8).rawSpan, at: 8 << 20)
    let target = try root.view.open("b", [.readWrite, .create], mode: 0o644)
    let size = try source.view.status().size
    try source.view.copyContents(to: target.view, length: size)
    #expect(try target.view.status().size == size)
    #expect(try target.view.read(count: 4, at: 8 << 20) == Array("tail".utf8))
    #expect(try target.view.status().blocks < 1000)
  }

  @Test func cancelledCopyIsInterrupted() throws {
    let scratch = try ScratchDirectory()
    let root = try FileDescriptor.workingDirectory.open(scratch.path, [.path, .directory])
    let source = try root.view.open("a", [.readWrite, .create], mode: 0o644)
    try source.view.writeAll([UInt8](repeating: 7, count: 3 << 20))
    let target = try root.view.open("b", [.readWrite, .create], mode: 0o644)
    // A shorter length than the file's, so that no reflink answers at once.
    #expect(throws: Errno.interrupted) {
      try source.view.copyContents(to: target.view, length: 2 << 20, isCancelled: { true })
    }
  }

  @Test func removeTreeTakesAbsoluteAndLongPaths() throws {
    let scratch = try ScratchDirectory("remove")
    try scratch.write("a/b/c/file", "x")
    try FileDescriptor.workingDirectory.removeTree(scratch.path("a/b"))
    #expect(try scratch.tree() == ["a"])
    try scratch.write("a/b/c/file", "x")
    try scratch.directory.removeTree("a/b/../b/c")
    try scratch.directory.removeTree("missing/below")
    #expect(try scratch.tree() == ["a", "a/b"])
  }

  @Test func removeTreeTakesUnreadableAndDeepOnes() throws {
    let scratch = try ScratchDirectory()
    let root = try FileDescriptor.workingDirectory.open(scratch.path, [.path, .directory])
    try root.view.makeDirectories("t/a/b/c", mode: 0o755)
    try root.view.makeSymlink("t/a/link", to: "/etc")
    try root.view.setMode(of: "t/a/b", 0)
    try root.view.removeTree("t")
    #expect(try !root.view.exists("t"))
    try root.view.removeTree("t")
  }

  /// Deeper than there are descriptors, and than a path can name.
  @Test func removeTreeTakesAnyDepth() throws {
    let scratch = try ScratchDirectory("deep")
    var directory = try scratch.directory.open(".", [.path, .directory])
    for level in 0..<5_000 {
      try directory.view.makeDirectory("d", mode: 0o755)
      if level.isMultiple(of: 700) { try directory.view.makeDirectory("beside", mode: 0o755) }
      directory = try directory.view.open("d", [.path, .directory])
    }
    try scratch.directory.removeTree("d")
    #expect(try scratch.tree() == ["beside"])
  }

  @Test func recordLocksExcludeEachOtherWithinAProcess() throws {
    let scratch = try ScratchDirectory()
    let root = try FileDescriptor.workingDirectory.open(scratch.path, [.path, .directory])
    let first = try root.view.open("lock", [.readWrite, .create], mode: 0o644)
    let second = try root.view.open("lock", [.readWrite], mode: 0)
    #expect(try first.view.tryLock(.exclusive))
    #expect(try !second.view.tryLock(.shared))
    try first.view.unlock()
    #expect(try second.view.tryLock(.shared))
    #expect(try first.view.tryLock(.shared))
  }

  @Test func childReportsAProgramThatIsNotThere() throws {
    #expect(throws: Errno.noSuchFileOrDirectory) {
      _ = try ChildProcess.start("/nonexistent/program", ["program"])
    }
    let child = try ChildProcess.start("/bin/sh", ["sh", "-c", "exit 7"])
    #expect(try child.wait() == 7)
  }

  @Test func xattrsOfLinksAndFiles() throws {
    let scratch = try ScratchDirectory()
    let root = try FileDescriptor.workingDirectory.open(scratch.path, [.path, .directory])
    let file = try root.view.open("f", [.readWrite, .create], mode: 0o644)
    try file.view.setXattr("user.k", Array("v".utf8))
    #expect(try root.view.xattr("user.k", of: "f") == Array("v".utf8))
    #expect(try file.view.xattrNames() == ["user.k"])
    #expect(throws: Errno.noData) { try file.view.xattr("user.none") }
    let long = [UInt8](repeating: 1, count: 2000)
    try file.view.setXattr("user.long", long)
    #expect(try file.view.xattr("user.long") == long)
  }

  @Test func listsManyEntries() throws {
    let scratch = try ScratchDirectory()
    let root = try FileDescriptor.workingDirectory.open(scratch.path, [.path, .directory])
    for index in 0..<3000 {
      _ = try root.view.open(RawPath("file-\(index)"), [.writeOnly, .create], mode: 0o600)
    }
    let names = try root.view.entries().map(\.name)
    #expect(Set(names).count == 3000)
  }
}
