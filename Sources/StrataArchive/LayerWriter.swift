import StrataCompression
import StrataModel
import StrataSystem

/// Writes the entries of a layer below one directory, and records each for the tar-split file.
///
/// The rules of what a name, a type and a repeated path mean are those of storage-format 6.5; how
/// the peer's extraction in a chroot comes out was measured with Debian's containers-storage 1.43.
final class LayerWriter {
  let reader: TarReader
  let recorder: TarSplitWriter
  let cache: DirectoryCache
  let options: ApplyOptions
  let process: ProcessDefaults
  private let progress: () -> Void
  private var reported: Int64 = 0
  private var seen = SeenNames()
  /// Owners as the archive has them.
  private(set) var uids: Set<UInt32> = []
  private(set) var gids: Set<UInt32> = []
  /// Directories, whose times are set last of all.
  private var directoryTimes = DirectoryTimes()
  var contentSize: Int64 = 0
  var devicesLeftOut: (first: String, count: Int)?
  private(set) var rootIsGiven = false
  /// Files with content that this layer made, where the directory held others before; nil where it
  /// was empty, so that all are of this layer.
  var ownInodes: Set<UInt64>?
  /// A default ACL decides the mode of new files: it has to be set on each.
  var modeIsInherited: Bool
  /// Descriptors could make longer paths than PATH_MAX, but tools that go by paths would not reach
  /// them: this is what is left of it behind the layer's own directory.
  private let longestName: Int
  /// Every path that was made, in mode `.apply`: what an opaque mark spares.
  var unpacked = SeenNames()

  init(
    _ reader: TarReader, _ recorder: TarSplitWriter, _ diff: FileDescriptor,
    _ options: ApplyOptions, _ progress: @escaping () -> Void
  ) throws(StreamError) {
    self.reader = reader
    self.recorder = recorder
    self.options = options
    self.progress = progress
    process = ProcessDefaults()
    do throws(Errno) {
      cache = try DirectoryCache(root: diff)
      ownInodes = try diff.entries().isEmpty ? nil : []
      let place =
        options.target ?? (try? FileDescriptor.workingDirectory.readLink(diff.procPath))
      longestName = 4094 - (place?.count ?? 0)
      let directory = try diff.open(".", [.readOnly, .directory])
      modeIsInherited = (try? directory.view.xattr("system.posix_acl_default")) != nil
    } catch {
      throw StreamError(error, "open the layer's directory")
    }
  }

  /// Writes one entry, its body included.
  func write(_ header: TarHeader) throws(StreamError) {
    report()
    if header.type == .globalHeader {
      // No entry of its own in the tar-split file: it stays in the segment.
      uids.insert(0)
      gids.insert(0)
      return
    }
    let name = CleanName(header.name)
    let key = name.isUnusual ? Array(RawPath(header.name).cleaned.bytes) : name.bytes
    guard seen.insert(key) else {
      throw StreamError(
        .malformed, "\(header.displayName): duplicates of file paths not supported")
    }
    if !name.last.starts(with: Whiteout.prefix) {
      uids.insert(UInt32(truncatingIfNeeded: header.uid))
      gids.insert(UInt32(truncatingIfNeeded: header.gid))
    }
    if name.bytes.count > longestName { throw failure(.nameTooLong, "open", header) }
    // The Go tools pass over a file named `.`, and fail at one named `/` or `..`.
    if name.isRoot, header.type != .directory, RawPath(header.name).cleaned != "." {
      throw StreamError(
        .malformed, "\(header.displayName): this name is that of the layer's root, a directory")
    }
    if options.whiteouts == .apply {
      contentSize += max(0, header.size)
      if try applyWhiteout(name, header) { return try keepBody(header) }
      _ = unpacked.insert(name.bytes)
    } else if name.isRoot, header.name.first != slash {
      // The root keeps the mode, owner and times that the store gave it, unless it is named `/`.
      return try keepBody(header)
    } else if let hidden = Whiteout.hiddenByLongName(name.last) {
      return try createDeviceWhiteout(hidden, name, header)
    }
    if name.isRoot { rootIsGiven = true }
    try create(name, header)
  }

  /// Sets the times of directories and gives the size of the content.
  func finish() throws(StreamError) -> Int64 {
    try directoryTimes.forEach { (path, access, modification) throws(StreamError) in
      let name = CleanName(path)
      do throws(Errno) {
        let parent = try cache.directory(name.parent)
        try parent.view.setTimes(
          of: name.isRoot ? "." : RawPath(name.last), access: .to(access),
          modification: .to(modification))
      } catch  where error == .noSuchFileOrDirectory || error == .notADirectory {
        return  // a later entry took its place
      } catch {
        throw StreamError(error, "set times of \(String(decoding: path, as: UTF8.self))")
      }
    }
    if ownInodes != nil, options.whiteouts == .keep {
      do throws(Errno) {
        return try contentSize(of: cache.directory([]).view)
      } catch { throw StreamError(error, "measure the layer") }
    }
    return contentSize
  }

  /// Remembers what times a directory gets in the end.
  func setTimesLater(_ name: CleanName, _ header: TarHeader) throws(StreamError) {
    let times = Times(header)
    do throws(Errno) {
      try directoryTimes.append(
        name.bytes, access: times.directoryAccess, modification: times.modification,
        diff: cache.directory([]).view)
    } catch { throw failure(error, "remember the times of", header) }
  }

  /// Passes a body on to the tar-split file alone.
  func keepBody(_ header: TarHeader) throws(StreamError) {
    while reader.remaining > 0 {
      _ = try reader.nextPiece(limit: reader.remaining) { (bytes) throws(StreamError) in
        try recorder.segment(bytes)
      }
    }
    try recorder.file(name: header.name, size: 0, checksum: 0)
  }

  /// Writes the body to a file and records it: by its checksum where the file will be found again
  /// by its name, else byte for byte.
  func writeBody(
    _ header: TarHeader, to file: FileDescriptor, isFoundAgain: Bool
  ) throws(StreamError) {
    let isKept = reader.sparse != nil || !isFoundAgain
    var checksum = CRC64()
    var position: Int64 = 0
    try reader.pieces { (offset, bytes) throws(StreamError) in
      if isKept {
        try recorder.segment(bytes)
      } else {
        checksum.update(bytes)
      }
      do throws(Errno) {
        if offset == position {
          try file.writeAll(bytes)
        } else {
          _ = try file.seek(offset)
          try file.writeAll(bytes)
        }
      } catch { throw failure(error, "write", header) }
      position = offset + Int64(bytes.byteCount)
      report()
    }
    if position < header.size {
      do throws(Errno) {
        try file.truncate(to: header.size)
      } catch { throw failure(error, "write", header) }
    }
    try recorder.file(
      name: header.name, size: isKept ? 0 : header.size, checksum: checksum.value)
  }

  /// An error of the kernel that names the entry, and what more there is to say of it.
  func failure(
    _ error: Errno, _ verb: String, _ header: TarHeader, _ more: String = ""
  ) -> StreamError {
    StreamError(error, "\(verb) \(header.displayName)" + (more.isEmpty ? "" : " \(more)"))
  }

  private func report() {
    if reader.input.offset - reported >= 1 << 20 {
      reported = reader.input.offset
      progress()
    }
  }

  /// The sizes of everything but directories, each inode once.
  private func contentSize(of directory: FileDescriptor) throws(Errno) -> Int64 {
    var counted: Set<UInt64> = []
    return try contentSize(of: directory, &counted)
  }

  private func contentSize(
    of directory: FileDescriptor, _ counted: inout Set<UInt64>
  ) throws(Errno) -> Int64 {
    var total: Int64 = 0
    for entry in try directory.entries() {
      let status = try directory.status(of: entry.name)
      if status.type == .directory {
        let below = try directory.open(entry.name, [.path, .directory, .noFollow])
        total += try contentSize(of: below.view, &counted)
      } else if status.linkCount == 1 || counted.insert(status.inode).inserted {
        total += status.size
      }
    }
    return total
  }
}

private let slash = UInt8(ascii: "/")

/// What the kernel gives a new file by itself.
struct ProcessDefaults {
  let uid = effectiveUserID
  let gid = effectiveGroupID
  let umask: UInt32

  init() {
    // Asking umask(2) would change it for every thread.
    let status = try? FileDescriptor.workingDirectory.contents(of: "/proc/self/status")
    var mask: UInt32 = 0o777
    for line in (status ?? []).split(separator: 0x0a) where line.starts(with: "Umask:".utf8) {
      let digits = line.dropFirst(6).filter { $0 > 0x20 }
      mask = UInt32(String(decoding: digits, as: UTF8.self), radix: 8) ?? mask
    }
    umask = mask
  }
}
