// One layer's directory under the home of the overlay driver, file by file as storage-format 1.1 and
// 6.5 say. Everything is named from one descriptor of the home, since a peer may bind-mount the home
// on itself at any time and a rename across that fails with EXDEV.

import StrataModel
import StrataPersistence
import StrataSystem

/// The names below the home and below a layer's directory.
enum LayerFile {
  static let links: RawPath = "l"
  static let diff: RawPath = "diff"
  static let link: RawPath = "link"
  static let lower: RawPath = "lower"
  static let empty: RawPath = "empty"
  static let work: RawPath = "work"
  static let merged: RawPath = "merged"
  static let additionalLayer: RawPath = "additionallayer"
  /// Content before and after the life of layers; not of one layer but of the home.
  static let temporary: RawPath = "tempdirs"
}

/// The directory of one layer, as seen from an open home.
///
/// The home stays open as long as this.
struct LayerDirectory {
  /// The home of the store that holds the layer.
  let home: SharedDescriptor
  /// The path of that home, for messages and for the mount program.
  let homePath: RawPath
  /// The layer's id.
  let id: RawPath

  /// The absolute path of the directory.
  var path: RawPath { homePath.appending(id) }

  /// A name in the directory, relative to the home.
  private func inHome(_ name: RawPath) -> RawPath { id.appending(name) }

  /// What the short link of this layer holds.
  var linkTarget: RawPath { RawPath("..").appending(inHome(LayerFile.diff)) }

  /// Whether the directory is there.
  var exists: Bool { (try? home.view.status(of: id).type) == .directory }

  /// The content of `link`, or nil if the file is missing, or holds no plain file name, as after a
  /// power cut.
  func link() throws(StoreError) -> RawPath? {
    guard let link = try text(of: LayerFile.link), link.components == [link] else { return nil }
    return link
  }

  /// The entries of `lower`, uppermost first, `l/XXXX` each; none for a layer without a parent.
  func lowers() throws(StoreError) -> [RawPath] {
    guard let text = try text(of: LayerFile.lower) else { return [] }
    return text.bytes.split(separator: UInt8(ascii: ":")).map { RawPath($0) }
  }

  /// Where the content of a layer is that has no files of its own; nil for an ordinary layer.
  func additionalLayer() throws(StoreError) -> AdditionalLayerPlace? {
    try text(of: LayerFile.additionalLayer).map { AdditionalLayerPlace(path: $0) }
  }

  private func text(of name: RawPath) throws(StoreError) -> RawPath? {
    do throws(Errno) {
      // 500 lowers of 29 bytes are the most that the format allows; more is damage.
      return RawPath(try home.view.contents(of: inHome(name), limit: 1 << 20))
    } catch {
      if error == .noSuchFileOrDirectory || error == .notADirectory { return nil }
      throw StoreError(error, "open \(path.appending(name))")
    }
  }

  /// Opens one of the layer's directories for reading.
  func open(_ name: RawPath) throws(Errno) -> FileDescriptorOwner {
    try home.view.open(inHome(name), [.readOnly, .directory])
  }

  /// Whether a name is there.
  func has(_ name: RawPath) -> Bool { (try? home.view.exists(inHome(name))) == true }
}

// MARK: - Making

extension LayerDirectory {
  /// What `diff` takes from the parent's, or has in a base layer.
  struct Root {
    var mode: UInt32 = 0o555
    var uid: UInt32
    var gid: UInt32
  }

  /// Mode and owner of this layer's `diff`, for its children.
  func root() throws(StoreError) -> Root {
    let name = inHome(LayerFile.diff)
    let status = try naming("stat", path.appending(LayerFile.diff)) { () throws(Errno) in
      try home.view.status(of: name, follow: true)
    }
    return Root(mode: status.permissions, uid: status.uid, gid: status.gid)
  }

  /// Makes the directory and all that belongs into it: a kill anywhere leaves what `remove` and the peers'
  /// link repair can deal with.
  func make(link: RawPath, lower: [RawPath], root: Root, owner: (uid: UInt32, gid: UInt32))
    throws(StoreError)
  {
    try makeDirectory("", mode: 0o700, owner)
    try makeDirectory(LayerFile.diff, mode: root.mode, (root.uid, root.gid))
    // First the file, by which a removal finds the link: a kill between leaves nothing behind in `l`.
    let file = try writeFile(LayerFile.link, link)
    let name = LayerFile.links.appending(link)
    try naming("symlink", homePath.appending(name)) { () throws(Errno) in
      try home.view.makeSymlink(name, to: linkTarget)
    }
    try makeDirectory(LayerFile.work, mode: 0o700, owner)
    try makeDirectory(LayerFile.merged, mode: 0o700, owner)
    if lower.isEmpty {
      try makeDirectory(LayerFile.empty, mode: 0o700, owner)
    } else {
      try settle(writeFile(LayerFile.lower, Self.joined(lower)), LayerFile.lower)
    }
    try settle(file, LayerFile.link)
  }

  /// The text of a `lower` file.
  static func joined(_ lower: [RawPath]) -> RawPath {
    RawPath(Array(lower.map(\.bytes).joined(separator: [UInt8(ascii: ":")])))
  }

  /// Makes a directory with this mode whatever the umask is.
  func makeDirectory(_ name: RawPath, mode: UInt32, _ owner: (uid: UInt32, gid: UInt32))
    throws(StoreError)
  {
    let relative = name.isEmpty ? id : inHome(name)
    try naming("mkdir", homePath.appending(relative)) { () throws(Errno) in
      try home.view.makeDirectory(relative, mode: mode)
      let status = try home.view.status(of: relative)
      if (status.uid, status.gid) != owner {
        try home.view.setOwner(of: relative, uid: owner.uid, gid: owner.gid)
      }
      // chown takes set-id bits away, so the mode comes last.
      if try home.view.status(of: relative).permissions != mode {
        try home.view.setMode(of: relative, mode)
      }
    }
  }

  /// Makes one of the layer's small text files and starts to write it to the disk.
  ///
  /// - Returns: The file, for `settle`.
  private func writeFile(_ name: RawPath, _ text: RawPath) throws(StoreError) -> FileDescriptorOwner
  {
    let relative = inHome(name)
    return try naming("open", path.appending(name)) { () throws(Errno) in
      let file = try home.view.open(relative, [.writeOnly, .create, .truncate], mode: 0o644)
      try file.view.writeAll(Array(text.bytes))
      try file.view.setMode(0o644)
      try? file.view.startWriteBack(offset: 0, length: 0)
      return file
    }
  }

  /// Waits for what a file holds, so that the sync of the records that follows makes a layer of it which
  /// a power cut cannot empty (docs/adr/0036).
  private func settle(_ file: consuming FileDescriptorOwner, _ name: RawPath) throws(StoreError) {
    do throws(Errno) {
      if try file.view.fileSystemStatus().logsAllFiles {
        try file.view.writeBackData()
      } else {
        try file.view.synchronizeData()
      }
      try file.close()
    } catch {
      throw StoreError(error, "write \(path.appending(name))")
    }
  }

  /// Replaces one of the layer's small text files.
  func replaceFile(_ name: RawPath, _ text: RawPath) throws(StoreError) {
    try AtomicFile.write(Array(text.bytes), to: path.appending(name), mode: 0o644)
  }
}

extension FileSystemStatus {
  /// Whether a sync of one file brings the sizes and places of all others that were written before:
  /// where one log, or memory, has them all (ext4, xfs, btrfs, tmpfs; by the magic numbers of statfs(2)).
  fileprivate var logsAllFiles: Bool {
    [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994].contains(UInt32(truncatingIfNeeded: type))
  }
}
