import StrataModel
package import StrataSystem

/// Writes an upper directory as a layer tar in OCI's form.
///
/// Whiteouts of whatever form become `.wh.` files, also for each name that an opaque directory hides;
/// further names of an inode become hard links; sockets are left out, a whiteout standing for one that
/// took a name from below, and so are the attributes of overlay programs. Owners are mapped back to
/// what a container sees. Entries are in the order of their paths, as the peer's. The same directory
/// gives the same bytes at any time.
package func writeChanges(
  upper: FileDescriptor, lowers: [FileDescriptor], rules: ComparisonRules, to sink: any ByteSink
) throws(StreamError) {
  let changes: [Change]
  do throws(Errno) {
    changes = try UpperWalk(rules: rules).changes(upper, lowers)
  } catch { throw StreamError(error, "compare the layer with those below it") }
  let cache: DirectoryCache
  do throws(Errno) {
    cache = try DirectoryCache(root: upper)
  } catch { throw StreamError(error, "open the layer's directory") }
  let writer = ChangesTar(cache, rules.mappings, TarWriter(sink))
  for change in changes {
    try writer.append(change)
  }
  try writer.finish()
}

private final class ChangesTar {
  private let cache: DirectoryCache
  private let mappings: IDMappings
  private let tar: TarWriter
  /// The first path of each inode that has several.
  private var linked: [UInt64: [UInt8]] = [:]

  init(_ cache: DirectoryCache, _ mappings: IDMappings, _ tar: TarWriter) {
    self.cache = cache
    self.mappings = mappings
    self.tar = tar
  }

  func append(_ change: Change) throws(StreamError) {
    let name = CleanName(change.path)
    if change.kind == .deleted { return try appendWhiteout(name) }
    let entry: (header: TarHeader, body: (any ByteSource)?)?
    do throws(Errno) {
      entry = try self.entry(name)
    } catch  where error == .noSuchFileOrDirectory {
      return  // gone while the container runs
    } catch {
      throw StreamError(error, "read \(String(decoding: name.bytes, as: UTF8.self))")
    }
    guard let entry else {
      if change.kind == .modified, isSocket(name) { try appendWhiteout(name) }
      return
    }
    if let body = entry.body {
      try tar.append(entry.header, body: body)
    } else {
      try tar.append(entry.header)
    }
  }

  /// A whiteout with the time of its directory, which the removal set.
  ///
  /// The peer writes the present time, and so makes another layer of the same changes each second.
  private func appendWhiteout(_ name: CleanName) throws(StreamError) {
    let parent = name.parent.isEmpty ? [] : name.parent + [0x2f]
    let time: FileTime
    do throws(Errno) {
      time = try cache.directory(name.parent).view.status().modificationTime
    } catch  where error == .noSuchFileOrDirectory {
      return  // gone while the container runs
    } catch {
      throw StreamError(error, "read \(String(decoding: name.parent, as: UTF8.self))")
    }
    try tar.append(
      TarHeader(
        name: parent + Whiteout.prefix + name.last, mode: 0,
        modificationTime: TarHeader.Time(seconds: time.seconds)))
  }

  private func isSocket(_ name: CleanName) -> Bool {
    guard let directory = try? cache.directory(name.parent) else { return false }
    return (try? LayerDirectory.status(of: RawPath(name.last), in: directory.view))?.type == .socket
  }

  func finish() throws(StreamError) { try tar.finish() }

  /// The header of a path and the source of its content; nil for what no archive holds.
  private func entry(_ name: CleanName) throws(Errno) -> (TarHeader, (any ByteSource)?)? {
    let directory = try cache.directory(name.parent).view
    let last = RawPath(name.last)
    var status = try LayerDirectory.status(of: last, in: directory)
    var body: (any ByteSource)?
    let first = status.linkCount > 1 && status.type != .directory ? linked[status.inode] : nil
    if status.type == .regular, first == nil {
      // The size is that of the opened file: the container may be running.
      let file = try directory.open(last, [.readOnly, .noFollow, .nonBlocking])
      let opened = try file.view.status()
      guard opened.type == .regular else { return nil }
      status.size = opened.size
      body = PrefixSource(FileSource(file, name: RawPath(name.bytes)), length: status.size)
    }
    guard var header = try header(name.bytes, last, status, in: directory) else { return nil }
    if let first {
      header.type = .hardLink
      header.linkName = first
      header.size = 0
    } else if status.linkCount > 1, status.type != .directory {
      linked[status.inode] = name.bytes
    }
    // What an override says is the container's view already.
    let isOverridden = try LayerDirectory.override(of: last, in: directory) != nil
    let owner = isOverridden ? nil : mappings.toContainer(uid: status.uid, gid: status.gid)
    header.uid = Int64(owner?.uid ?? status.uid)
    header.gid = Int64(owner?.gid ?? status.gid)
    return (header, body)
  }

  private func header(
    _ path: [UInt8], _ last: RawPath, _ status: FileStatus, in directory: FileDescriptor
  ) throws(Errno) -> TarHeader? {
    let time = status.modificationTime
    var header = TarHeader(
      name: path, mode: Int64(status.permissions),
      modificationTime: TarHeader.Time(seconds: time.seconds, nanoseconds: time.nanoseconds))
    switch status.type {
    case .regular: header.size = status.size
    case .directory:
      header.type = .directory
      header.name.append(0x2f)
    case .symlink:
      header.type = .symlink
      header.linkName = Array(try directory.readLink(last).bytes)
    case .fifo: header.type = .fifo
    case .characterDevice, .blockDevice:
      header.type = status.type == .characterDevice ? .characterDevice : .blockDevice
      header.deviceMajor = Int64(status.representedDevice.major)
      header.deviceMinor = Int64(status.representedDevice.minor)
    case .socket, .unknown: return nil
    }
    header.xattrs = try ChangeXattrs.read(last, in: directory)
    return header
  }
}

/// The first bytes of a source.
private final class PrefixSource: ByteSource {
  private let source: any ByteSource
  private var left: Int64

  init(_ source: any ByteSource, length: Int64) {
    self.source = source
    left = length
  }

  func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    if left == 0 { return 0 }
    let count = min(try source.read(into: &span), Int(clamping: left))
    left -= Int64(count)
    return count
  }
}
