package import StrataModel
package import StrataSystem

/// A file that gets its name when it is complete, so that nobody ever sees half of it.
///
/// It has no name before that where the file system can do so, and a killed program leaves nothing.
package final class NewFile: RewritableSink {
  private let directory: FileDescriptor
  private let path: RawPath
  private let what: String
  private let file: SharedDescriptor
  /// The passing name, where there must be one.
  private var temporaryName: RawPath?
  private let interruption = InterruptionHold()

  /// A file to be in an open directory, which outlives it.
  ///
  /// For messages: `path` is the directory's, `name` the one that the file is to have, if it is known.
  package init(
    in directory: FileDescriptor, _ path: RawPath, name: RawPath? = nil, mode: UInt32 = 0o644
  ) throws(StoreError) {
    self.directory = directory
    self.path = path
    what = name?.description ?? "a file in \(path)"
    var passing: RawPath?
    file = try calling("make a file in \(path)") { () throws(Errno) in
      do throws(Errno) {
        return SharedDescriptor(
          try directory.open(".", [.writeOnly, .temporaryFile], mode: mode))
      } catch {
        guard error == .notSupported || error == .isADirectory || error == .invalidArgument else {
          throw error
        }
        let name = Self.passingName()
        passing = name
        return SharedDescriptor(
          try directory.open(name, [.writeOnly, .create, .exclusive], mode: mode))
      }
    }
    temporaryName = passing
  }

  /// Refuses a name that something else than a file has: a rename would put the new file in the place
  /// of a device, a pipe or a link.
  static func requirePlace(
    _ name: RawPath, in directory: FileDescriptor, _ path: RawPath
  ) throws(StoreError) {
    switch (try? directory.status(of: name))?.type {
    case nil, .regular: break
    case .directory: throw StoreError(.usage, "\(path) is a folder; an archive is a file")
    case .symlink:
      throw StoreError(
        .usage, "\(path) is a link: name the file itself, or write `-` for standard output")
    default:
      throw StoreError(.usage, "\(path) is no plain file: write `-` for standard output")
    }
  }

  /// Takes owner and mode of the file that it will replace, as far as the kernel lets it.
  package func resemble(_ old: FileStatus) {
    try? file.view.setOwner(uid: old.uid, gid: old.gid)
    try? file.view.setMode(old.permissions)
  }

  deinit {
    if let temporaryName { try? directory.unlink(temporaryName) }
  }

  private static func passingName() -> RawPath {
    RawPath(".strata-\(hexText(randomBytes(8)))")
  }

  /// Whether a name is one that a file has until it is complete.
  static func isPassing(_ name: RawPath) -> Bool { name.bytes.starts(with: ".strata-".utf8) }

  package func write(_ bytes: RawSpan) throws(StreamError) {
    try Interruption.checkStream()
    do throws(Errno) {
      try file.view.writeAll(bytes)
    } catch {
      throw StreamError(error, "write \(what)")
    }
  }

  package func restart() throws(StreamError) { try file.view.restart("write \(what)") }

  /// Brings the content to the disk and gives the file its name, in place of one that has it.
  package func publish(as name: RawPath) throws(StoreError) {
    if let type = (try? directory.status(of: name))?.type, ![.regular, .symlink].contains(type) {
      throw StoreError(.usage, "\(path.appending(name)) is there already and no plain file")
    }
    try calling("write \(path.appending(name))") { () throws(Errno) in
      try file.view.synchronizeData()
      if let temporaryName {
        try directory.rename(temporaryName, to: directory, name)
        self.temporaryName = nil
        return
      }
      do throws(Errno) {
        try file.view.linkSelf(to: directory, name)
      } catch  where error == .fileExists {
        // link(2) replaces nothing, rename(2) does.
        let passing = Self.passingName()
        try file.view.linkSelf(to: directory, passing)
        do throws(Errno) {
          try directory.rename(passing, to: directory, name)
        } catch {
          try? directory.unlink(passing)
          throw error
        }
      }
    }
  }
}
