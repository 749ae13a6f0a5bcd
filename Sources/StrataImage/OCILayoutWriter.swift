import StrataModel
import StrataSystem

/// Writes images into a folder in the OCI image layout.
///
/// `oci-layout` is written before anything else and tells a folder that a killed program has begun,
/// or another is writing to, from one of other things. What it has made is taken away again unless
/// the image becomes complete.
final class OCILayoutWriter: BlobWriter {
  private let path: RawPath
  var folder: RawPath { path }
  private let root: SharedDescriptor
  private let blobs: SharedDescriptor
  /// What was made, in this order, relative to the folder; of the folder itself the empty path.
  private var made: [(path: RawPath, isDirectory: Bool)] = []

  /// Opens the folder, and makes it where it is missing; its parent must be there.
  init(_ path: RawPath) throws(StoreError) {
    self.path = path
    let cwd = FileDescriptor.workingDirectory
    let isNew = try Self.makeDirectory(path, in: cwd, path)
    if isNew { made.append(("", true)) }
    do throws(StoreError) {
      root = SharedDescriptor(
        try calling("open \(path)") { () throws(Errno) in
          try cwd.open(path, [.readOnly, .directory])
        })
      try Self.refuseForeign(root.view, path, isNew: isNew)
      if try Self.mark(root.view, path) { made.append(("oci-layout", false)) }
      for name: RawPath in ["blobs", "blobs/sha256"]
      where try Self.makeDirectory(name, in: root.view, path.appending(name)) {
        made.append((name, true))
      }
      let root = root
      blobs = SharedDescriptor(
        try calling("open \(path)/blobs/sha256") { () throws(Errno) in
          try root.view.open("blobs/sha256", [.readOnly, .directory])
        })
    } catch {
      if isNew { try? cwd.removeTree(path) }
      throw error
    }
  }

  /// True if the directory was missing.
  private static func makeDirectory(
    _ name: RawPath, in directory: FileDescriptor, _ path: RawPath
  ) throws(StoreError) -> Bool {
    do throws(Errno) {
      try directory.makeDirectory(name, mode: 0o755)
      return true
    } catch {
      if error == .fileExists { return false }
      throw systemError(error, "make the folder \(path)")
    }
  }

  /// A folder of other things is not made into a layout by mistake.
  private static func refuseForeign(_ root: FileDescriptor, _ path: RawPath, isNew: Bool)
    throws(StoreError)
  {
    if isNew { return }
    let entries = try calling("read \(path)") { () throws(Errno) in try root.entries() }
    let marks: [RawPath] = ["oci-layout", "index.json"]
    if entries.contains(where: { marks.contains($0.name) }) { return }
    // What earlier versions, which wrote the mark last, may have left.
    guard entries.allSatisfy({ $0.name == "blobs" || NewFile.isPassing($0.name) }) else {
      throw StoreError(.usage, "\(path): this folder is not empty and no OCI image layout")
    }
  }

  /// True if the mark of a layout was missing.
  private static func mark(_ root: FileDescriptor, _ path: RawPath) throws(StoreError) -> Bool {
    let isThere = try calling("stat \(path)/oci-layout") { () throws(Errno) in
      try root.exists("oci-layout")
    }
    if !isThere { try write(layoutVersion, as: "oci-layout", in: root, path) }
    return !isThere
  }

  func put(_ write: (any RewritableSink) throws(StoreError) -> WrittenBlob)
    throws(StoreError) -> WrittenBlob
  {
    let file = try NewFile(in: blobs.view, path.appending("blobs/sha256"))
    let blob = try write(file)
    let name = RawPath(blob.digest.hex)
    let exists = try calling("stat \(path)/blobs/sha256/\(name)") { () throws(Errno) in
      try blobs.view.exists(name)
    }
    if !exists { made.append((RawPath("blobs/sha256").appending(name), false)) }
    // One that exists is replaced: it may be what a program that was killed left of it.
    try file.publish(as: name)
    return blob
  }

  /// Enters the image into the index: from now on it is there.
  func finish(_ manifest: Descriptor, tag: String?) throws(StoreError) {
    // Two of us at once would otherwise lose one of two entries.
    _ = try calling("lock \(path)") { () throws(Errno) in
      try root.view.flock(exclusive: true, wait: true)
    }
    // Another that has made the mark and failed has taken it away.
    if try Self.mark(root.view, path) { made.append(("oci-layout", false)) }
    var old: [UInt8]?
    do throws(Errno) {
      old = try root.view.contents(of: "index.json", limit: 32 << 20)
    } catch {
      guard error == .noSuchFileOrDirectory else {
        throw systemError(error, "read \(path)/index.json")
      }
    }
    let index = try indexText(
      old, adding: manifest, name: tag, what: "\(path)/index.json")
    try Self.write(index, as: "index.json", in: root.view, path)
  }

  private static func write(
    _ bytes: [UInt8], as name: RawPath, in root: FileDescriptor, _ path: RawPath
  ) throws(StoreError) {
    let file = try NewFile(in: root, path)
    try streaming("write \(path)/\(name)") { () throws(StreamError) in try file.write(bytes) }
    try file.publish(as: name)
  }

  /// Takes away what was made; folders only where nobody has put anything into them.
  func abandon() {
    for (name, isDirectory) in made.reversed() {
      if name.isEmpty {
        try? FileDescriptor.workingDirectory.removeDirectory(path)
      } else if isDirectory {
        try? root.view.removeDirectory(name)
      } else {
        try? root.view.unlink(name)
      }
    }
  }
}
