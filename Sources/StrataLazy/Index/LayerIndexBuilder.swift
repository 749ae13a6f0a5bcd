package import StrataArchive
import StrataModel
package import StrataSystem

/// Makes the index of a layer from its TOC.
///
/// Hostile TOCs are refused as a whole, with the row's name: what is served must be what any reader of
/// the layer's tar would see (lazy-design section 8). Used by one thread.
package final class LayerIndexBuilder {
  let facts: LayerFacts
  var tree = IndexTree()
  var chunks = IndexChunks()
  var xattrs: [UInt8] = []
  var targets: [UInt8] = []
  /// Where the landmark of eStargz lies: what is before it is wanted first.
  var landmark: Int64?
  var hasNoPrefetchMark = false
  private var total: Int64 = 0
  private var rowCount = 0
  /// The file that `chunk` rows may follow.
  private var file: OpenFile?

  struct OpenFile {
    var name: [UInt8]
    var inode: UInt32
    var size: Int64
    var digest: SHA256Value?
    /// How far chunks cover it.
    var covered: Int64
    var end: Int64
  }

  package init(_ facts: LayerFacts) {
    self.facts = facts
  }

  /// Reads a TOC to its end and writes the index to `file`, an empty one open for reading and writing.
  ///
  /// Nothing of it may be used if this throws: the TOC's digest is known only at its end.
  package static func build(
    from reader: TOCReader, _ facts: LayerFacts, to file: FileDescriptor
  ) throws(StreamError) {
    let builder = LayerIndexBuilder(facts)
    while let entry = try reader.next() { try builder.add(entry) }
    try builder.finish(to: file)
  }

  /// Takes the next row.
  package func add(_ entry: TOCEntry) throws(StreamError) {
    rowCount += 1
    if rowCount > TOCLimit.entries {
      throw StreamError(.limit, "TOC: more than \(TOCLimit.entries) entries")
    }
    if entry.kind == .chunk { return try addChunk(entry) }
    try closeFile()
    let name = try IndexName(entry.name)
    guard let last = name.parts.last else { return try addRoot(entry) }
    let part = name.bytes[last]
    let parent = try parent(of: name)
    if try isMark(part, parent, name, entry) { return }
    if entry.kind == .hardLink { return try addLink(part, parent, name, entry) }
    let existing = tree.find(part, in: parent)
    if let existing, entry.kind == .directory {
      let number = tree.children[existing].inode
      if tree.inodes[Int(number)].type == .directory {
        let inode = try inode(of: entry, name)
        // Its content and its mark of opaqueness stay.
        tree.change(number) { old in
          let flags = old.flags.subtracting(.implied)
          old = inode
          old.flags = flags
        }
        return
      }
    }
    let number = tree.add(try inode(of: entry, name))
    if let existing {
      tree.repoint(existing, to: number)
    } else {
      try append(part, parent, number, name)
    }
    if entry.kind == .regular { try openFile(entry, number, name) }
  }

  func append(_ part: ArraySlice<UInt8>, _ parent: UInt32, _ inode: UInt32, _ name: IndexName)
    throws(StreamError)
  {
    guard tree.children.count < LayerLimit.children, tree.names.count < 1 << 30 else {
      throw StreamError(.limit, "TOC: more names than an index holds")
    }
    tree.append(part, in: parent, inode: inode)
  }

  private func addRoot(_ entry: TOCEntry) throws(StreamError) {
    guard entry.kind == .directory else {
      throw IndexName.refusal("a root that is no directory", entry.name)
    }
    let inode = try inode(of: entry, try IndexName([]))
    let flags = tree.inodes[0].flags.subtracting(.implied)
    tree.change(0) {
      $0 = inode
      $0.flags = flags
    }
  }

  /// The directory that holds the last part; those that no row has named are made.
  private func parent(of name: IndexName) throws(StreamError) -> UInt32 {
    var number: UInt32 = 0
    for range in name.parts.dropLast() {
      let part = name.bytes[range]
      if let child = tree.find(part, in: number) {
        number = tree.children[child].inode
        guard tree.inodes[Int(number)].type == .directory else {
          throw IndexName.refusal("a path through what is no directory", name.bytes)
        }
        continue
      }
      if part.starts(with: Whiteout.prefix) {
        throw IndexName.refusal("a path through a whiteout", name.bytes)
      }
      var implied = IndexTree.Inode(mode: FileType.directory.modeBits | 0o755)
      implied.flags = .implied
      let directory = tree.add(implied)
      try append(part, number, directory, name)
      number = directory
    }
    return number
  }

  /// Whether the row is a mark and not a file: of opaqueness, of the eStargz writer, or of AUFS.
  private func isMark(
    _ part: ArraySlice<UInt8>, _ parent: UInt32, _ name: IndexName, _ entry: TOCEntry
  ) throws(StreamError) -> Bool {
    if facts.form == .eStargz, parent == 0 {
      if part.elementsEqual(".prefetch.landmark".utf8) {
        landmark = entry.offset
        return true
      }
      if part.elementsEqual(".no.prefetch.landmark".utf8) {
        hasNoPrefetchMark = true
        return true
      }
      if part.elementsEqual("stargz.index.json".utf8) { return true }
    }
    guard part.starts(with: Whiteout.prefix) else { return false }
    if part.elementsEqual(Whiteout.opaque) {
      tree.change(parent) { $0.flags.insert(.opaque) }
      return true
    }
    if part.starts(with: Whiteout.metaPrefix) { return true }
    let hidden = part.dropFirst(Whiteout.prefix.count)
    if hidden.isEmpty || hidden.elementsEqual(".".utf8) || hidden.elementsEqual("..".utf8) {
      throw IndexName.refusal("a whiteout of nothing", name.bytes)
    }
    if tree.find(part, in: parent) == nil {
      var whiteout = IndexTree.Inode(mode: FileType.characterDevice.modeBits)
      whiteout.flags = .whiteout
      try append(part, parent, tree.add(whiteout), name)
    }
    return true
  }

  /// A second name of an earlier regular file.
  private func addLink(
    _ part: ArraySlice<UInt8>, _ parent: UInt32, _ name: IndexName, _ entry: TOCEntry
  ) throws(StreamError) {
    let target = try IndexName(entry.linkName)
    var number: UInt32 = 0
    for range in target.parts {
      guard let child = tree.find(target.bytes[range], in: number) else {
        throw IndexName.refusal("a hard link to what is not there", name.bytes)
      }
      number = tree.children[child].inode
    }
    guard tree.inodes[Int(number)].type == .regular else {
      throw IndexName.refusal("a hard link to what is no file", name.bytes)
    }
    if let existing = tree.find(part, in: parent) {
      tree.repoint(existing, to: number)
    } else {
      try append(part, parent, number, name)
    }
  }

  // MARK: - Chunks

  private func openFile(_ entry: TOCEntry, _ inode: UInt32, _ name: IndexName) throws(StreamError) {
    guard entry.size > 0 else { return }
    total += min(entry.size, LayerLimit.totalBytes + 1)
    guard total <= LayerLimit.totalBytes else {
      throw StreamError(.limit, "TOC: files of more than \(LayerLimit.totalBytes) bytes")
    }
    guard entry.chunkOffset == 0 else {
      throw IndexName.refusal("a file that does not begin at its first byte", name.bytes)
    }
    tree.change(inode) {
      $0.payload = entry.digest
      $0.firstChunk = UInt32(chunks.count)
    }
    file = OpenFile(
      name: entry.name, inode: inode, size: entry.size, digest: entry.digest, covered: 0,
      end: entry.endOffset)
    // The only chunk's digest may stand in the file's place.
    try cover(entry, digest: entry.chunkDigest ?? entry.digest)
  }

  private func addChunk(_ entry: TOCEntry) throws(StreamError) {
    guard let open = file, entry.name == open.name else {
      throw IndexName.refusal("a chunk without its file", entry.name)
    }
    guard entry.chunkOffset == open.covered, open.covered < open.size else {
      throw IndexName.refusal("chunks with a gap or an overlap", entry.name)
    }
    // A first row's digest that stood in for its chunk's, though more chunks follow.
    if chunks.count - 1 == Int(tree.inodes[Int(open.inode)].firstChunk) {
      chunks.markEndAsOfFile(chunks.count - 1)
    }
    var entry = entry
    if entry.endOffset == 0 { entry.endOffset = open.end }
    try cover(entry, digest: entry.chunkDigest)
    chunks.markEndAsOfFile(chunks.count - 1)
  }

  /// Appends a chunk to the open file.
  private func cover(_ entry: TOCEntry, digest: SHA256Value?) throws(StreamError) {
    guard var open = file else { return }
    let left = open.size - open.covered
    let length = entry.chunkSize == 0 ? left : entry.chunkSize
    guard length > 0, length <= left else {
      throw IndexName.refusal("chunks beyond the file's end", entry.name)
    }
    guard entry.isHole || length <= LayerLimit.chunkBytes else {
      throw IndexName.refusal("a chunk of more than 64 MiB", entry.name)
    }
    guard entry.innerOffset <= LayerLimit.chunkBytes else {
      throw IndexName.refusal("a chunk too deep in its member", entry.name)
    }
    guard let digest = digest ?? (entry.isHole ? SHA256Value.zero : nil) else {
      throw IndexName.refusal("a chunk without a digest", entry.name)
    }
    if length < open.size, open.covered == 0, entry.chunkDigest == nil, !entry.isHole {
      throw IndexName.refusal("a chunk without a digest", entry.name)
    }
    chunks.append(
      IndexChunks.Chunk(
        fileOffset: open.covered, length: length, offset: entry.offset, end: entry.endOffset,
        innerOffset: UInt32(entry.innerOffset), isHole: entry.isHole, digest: digest))
    open.covered += length
    file = open
  }

  /// The rows of the open file are over: they must cover it.
  private func closeFile() throws(StreamError) {
    guard let open = file else { return }
    file = nil
    guard open.covered == open.size else {
      throw IndexName.refusal("chunks that do not reach the file's end", open.name)
    }
    let first = Int(tree.inodes[Int(open.inode)].firstChunk)
    let count = chunks.count - first
    tree.change(open.inode) { $0.chunkCount = UInt32(count) }
    guard count == 1, !chunks.chunks[first].isHole else { return }
    let digest = chunks.chunks[first].digest
    if let whole = open.digest, whole != digest {
      throw IndexName.refusal("a file and its only chunk with different digests", open.name)
    }
    tree.change(open.inode) {
      $0.payload = digest
      $0.flags.insert(.digestIsChunk)
    }
  }

  /// Ends the rows and writes the index.
  package func finish(to file: FileDescriptor) throws(StreamError) {
    try closeFile()
    try write(to: file)
  }
}

extension SHA256Value {
  /// In the place of a digest that nobody needs.
  static let zero = SHA256Value(words: (0, 0, 0, 0))
}
