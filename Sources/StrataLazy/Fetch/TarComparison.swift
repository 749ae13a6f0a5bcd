import StrataArchive
import StrataDigest
import StrataModel
import StrataSystem

/// Finds out whether a tar is what an index shows: the same names, attributes and links, and every
/// file's content both whole and chunk by chunk.
///
/// By what is in the tar alone: that a chunk is in the cache proves nothing, since another layer may have
/// brought it there. An index is made of the tar as of a TOC, so that whiteouts, second names and names
/// that come twice are understood alike; the two are then the same entry by entry. Times are not
/// compared: eStargz rounds them. Used by one thread.
final class TarComparison {
  private let index: LayerIndex
  private let builder: LayerIndexBuilder
  private var isProven: [Bool]

  init(_ index: LayerIndex) {
    self.index = index
    builder = LayerIndexBuilder(index.header.facts)
    isProven = [Bool](repeating: false, count: index.chunkCount)
  }

  /// Takes the next entry, whose body `tar` is about to give; `keep` gets each chunk that is as the
  /// index says.
  ///
  /// `mismatch` for an entry that no index may have.
  func add(
    _ header: TarHeader, _ tar: TarReader,
    keep: (Int, VerifiedChunk) throws(StreamError) -> Void
  ) throws(StreamError) {
    guard let kind = Self.kind(header.type) else { return }
    let before = builder.tree.inodes.count
    do throws(StreamError) { try builder.add(entry(header, kind)) } catch {
      throw StreamError(.mismatch, "the tar: \(error.message)")
    }
    guard kind == .regular, let last = builder.tree.inodes.last, last.type == .regular,
      builder.tree.inodes.count > before, header.size > 0
    else { return }
    let inode = UInt32(builder.tree.inodes.count - 1)
    let cutter = ChunkProver(index, numbers(of: header))
    try read(tar, header.size) { (bytes) throws(StreamError) in
      try cutter.take(bytes) { (number, chunk) throws(StreamError) in
        isProven[number] = true
        if let chunk { try keep(number, chunk) }
      }
    }
    let digest = cutter.digest
    builder.tree.change(inode) {
      $0.size = header.size
      $0.payload = digest
    }
  }

  /// Compares what has come with the index; `mismatch` names the first difference.
  func finish() throws(StreamError) {
    let file: FileDescriptorOwner
    do throws(Errno) { file = try anonymousFile("tar") } catch {
      throw StreamError(error, "make an index in memory")
    }
    do throws(StreamError) { try builder.finish(to: file.view) } catch {
      throw error.isFullDisk ? error : StreamError(.mismatch, "the tar: \(error.message)")
    }
    let found = try LayerIndex(file.view, checking: .header)
    guard found.entryCount == index.entryCount else {
      throw StreamError(
        .mismatch, "the tar has \(found.entryCount) entries, the TOC \(index.entryCount)")
    }
    for entry in 0..<UInt32(index.entryCount) {
      if let what = difference(entry, found) {
        throw StreamError(.mismatch, "\(path(of: entry)): \(what) differs between tar and TOC")
      }
      if let number = index.chunks(of: entry).first(where: { !isProven[$0] }) {
        throw StreamError(
          .mismatch, "\(path(of: entry)): chunk \(number) of the TOC is not in the tar")
      }
    }
  }

  // MARK: - Entries of the tar

  private static func kind(_ type: TarHeader.EntryType) -> TOCEntry.Kind? {
    switch type {
    case .regular: .regular
    case .hardLink: .hardLink
    case .symlink: .symlink
    case .characterDevice: .characterDevice
    case .blockDevice: .blockDevice
    case .directory: .directory
    case .fifo: .fifo
    // Headers that describe no file, and types that no writer of these forms takes.
    default: nil
    }
  }

  /// A row of a TOC without size: the builder is not to look for chunks.
  private func entry(_ header: TarHeader, _ kind: TOCEntry.Kind) -> TOCEntry {
    var entry = TOCEntry()
    entry.kind = kind
    entry.name = header.name
    entry.linkName = header.linkName
    entry.mode = Int64(header.mode)
    entry.uid = Int64(header.uid)
    entry.gid = Int64(header.gid)
    entry.deviceMajor = Int64(header.deviceMajor)
    entry.deviceMinor = Int64(header.deviceMinor)
    entry.xattrs = header.xattrs
    return entry
  }

  /// The chunks of the file that has this name in the index, if it has this size.
  private func numbers(of header: TarHeader) -> Range<Int> {
    var entry = LayerIndex.root
    for part in RawPath(header.name).components where part != "." {
      guard let next = index.lookup(part, in: entry) else { return 0..<0 }
      entry = next
    }
    return index.attributes(entry)?.size == header.size ? index.chunks(of: entry) : 0..<0
  }

  /// Gives the whole of a body, the holes of a sparse one as zeros.
  private func read(
    _ tar: TarReader, _ size: Int64, _ use: (RawSpan) throws(StreamError) -> Void
  ) throws(StreamError) {
    let zeros = [UInt8](repeating: 0, count: 1 << 16)
    var end: Int64 = 0
    func fill(to place: Int64) throws(StreamError) {
      while end < place {
        let count = min(place - end, Int64(zeros.count))
        try use(zeros.rawSpan.extracting(first: Int(count)))
        end += count
      }
    }
    try tar.pieces { (offset, bytes) throws(StreamError) in
      try fill(to: offset)
      try use(bytes)
      end += Int64(bytes.byteCount)
    }
    try fill(to: size)
  }

  // MARK: - Differences

  private func difference(_ entry: UInt32, _ found: LayerIndex) -> String? {
    guard let ours = index.attributes(entry), let theirs = found.attributes(entry) else {
      return "what it is"
    }
    let steering: LayerFlags = [.opaque, .whiteout]
    if ours.mode != theirs.mode { return "its type or mode" }
    if (ours.uid, ours.gid) != (theirs.uid, theirs.gid) { return "its owner" }
    if ours.size != theirs.size { return "its size" }
    if ours.linkCount != theirs.linkCount || ours.parent != theirs.parent { return "its place" }
    if ours.device != theirs.device { return "its device number" }
    if ours.flags.intersection(steering) != theirs.flags.intersection(steering) {
      return "what it hides"
    }
    if index.linkTarget(entry) != found.linkTarget(entry) { return "where it points" }
    if Set(index.xattrs(entry)) != Set(found.xattrs(entry)) { return "its attributes" }
    if ours.type == .directory { return hasSameNames(entry, found) ? nil : "its names" }
    if ours.type == .regular, ours.size > 0, digest(entry, index) != digest(entry, found) {
      return "its content"
    }
    return nil
  }

  private func hasSameNames(_ directory: UInt32, _ found: LayerIndex) -> Bool {
    let count = index.childCount(of: directory) ?? 0
    guard count == found.childCount(of: directory) else { return false }
    return (0..<count).allSatisfy { position in
      guard let ours = index.child(at: position, of: directory),
        let theirs = found.child(at: position, of: directory)
      else { return false }
      return ours.name == theirs.name && ours.entry == theirs.entry
    }
  }

  /// Nil for a file without one, which equals nothing: the tar's always has one.
  private func digest(_ entry: UInt32, _ index: LayerIndex) -> SHA256Value? {
    guard let place = index.place(of: entry) else { return nil }
    return index.payloadDigest(place, firstChunk: index.chunks(of: entry).lowerBound)
  }

  private func path(of entry: UInt32) -> String {
    var names: [String] = []
    var child = entry
    while child != LayerIndex.root, names.count < 2048,
      let parent = index.attributes(child)?.parent
    {
      let position = (0..<(index.childCount(of: parent) ?? 0)).first {
        index.child(at: $0, of: parent)?.entry == child
      }
      let name = position.flatMap { index.child(at: $0, of: parent)?.name }
      names.append(name.map { "\($0)" } ?? "?")
      child = parent
    }
    return "/" + names.reversed().joined(separator: "/")
  }
}

/// Hashes a file's body, and cuts it into the chunks that an index promises.
private final class ChunkProver {
  private let index: LayerIndex
  private var numbers: Range<Int>
  private var whole = Digester()
  private var bytes: [UInt8] = []
  /// How much of the current chunk has come, and whether it is a hole with nothing but zeros.
  private var count: Int64 = 0
  private var isZero = true

  init(_ index: LayerIndex, _ numbers: Range<Int>) {
    self.index = index
    self.numbers = numbers
  }

  var digest: SHA256Value? { whole.sha256() }

  /// Takes the next bytes; `found` gets each chunk that is as promised, nil for a hole.
  func take(
    _ span: RawSpan, _ found: (Int, VerifiedChunk?) throws(StreamError) -> Void
  ) throws(StreamError) {
    whole.update(span)
    var rest = span
    while !rest.isEmpty, let number = numbers.first, let chunk = index.chunk(number) {
      let part = rest.extracting(first: Int(min(chunk.length - count, Int64(rest.byteCount))))
      rest = rest.extracting(droppingFirst: part.byteCount)
      count += Int64(part.byteCount)
      if chunk.isHole {
        isZero = isZero && (0..<part.byteCount).allSatisfy { part.byte(at: $0) == 0 }
      } else if chunk.length <= LayerLimit.chunkBytes {
        bytes.append(part)
      }
      guard count == chunk.length else { continue }
      numbers = numbers.dropFirst()
      if chunk.isHole {
        if isZero { try found(number, nil) }
      } else if let verified = try? VerifiedChunk(chunk, plain: bytes) {
        try found(number, verified)
      }
      count = 0
      isZero = true
      bytes = []
    }
  }
}
