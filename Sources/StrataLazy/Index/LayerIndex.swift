import StrataArchive
package import StrataModel
package import StrataSystem

/// The names, attributes and chunks of a layer, read from its mapped index file.
///
/// Nothing is kept in memory but the header. Entries are numbers, the same after every restart: 0 is the
/// root, a directory's number is smaller than its children's, and a file with several names has one.
/// Any thread may call. Methods that get a number or a place that does not exist answer nil or nothing.
package final class LayerIndex: Sendable {
  /// What the index says of the layer as a whole.
  package let header: IndexHeader
  let file: MappedFile
  private let inodes, children, names, xattrHeap, targets, chunkTable, payloads: Range<Int>

  /// How much of an index is checked when it is opened.
  package enum Check: Sendable {
    /// The header's checksum: of an index whose sections were checked since the last boot.
    case header
    /// The sections' checksums too: of an index of one's own, once after a boot.
    case checksums
    /// Every offset, length and order too: of an index from elsewhere, once.
    case everything
  }

  /// Maps the index in `file`, which may be closed afterwards.
  ///
  /// Errors: `malformed`, `mismatch`, `unsupported` for one to be built anew, `system`.
  package init(_ file: FileDescriptor, checking check: Check) throws(StreamError) {
    do throws(Errno) {
      guard try file.status().size >= Int64(IndexLayout.headerSize) else { throw .invalidArgument }
      self.file = try MappedFile(file)
    } catch  where error == .invalidArgument {
      throw StreamError(.malformed, "index: cut short")
    } catch { throw StreamError(error, "map a layer's index") }
    try Self.checkHeader(self.file)
    let header = try IndexHeader(self.file)
    self.header = header
    func range(_ section: IndexLayout.Section) -> Range<Int> {
      guard let place = header.sections[section] else { return 0..<0 }
      return place.offset..<place.end
    }
    inodes = range(.inodes)
    children = range(.children)
    names = range(.names)
    xattrHeap = range(.xattrs)
    targets = range(.targets)
    chunkTable = range(.chunks)
    payloads = range(.payloads)
    if check != .header { try checkSections() }
    if check == .everything { try validate() }
  }

  // MARK: - Entries

  /// The root's number.
  package static let root: UInt32 = 0

  /// How many entries there are; their numbers are those below.
  package var entryCount: Int { inodes.count / IndexLayout.inodeSize }

  /// What stat(2) tells of an entry, and where its content lies.
  package struct Attributes: Sendable {
    /// Type and permission bits.
    package var mode: UInt32
    package var uid: UInt32
    package var gid: UInt32
    package var linkCount: UInt32
    package var device: DeviceNumber
    package var size: Int64
    package var modificationTime: FileTime
    package var flags: LayerFlags
    /// The directory that holds it, or holds the first of its names.
    package var parent: UInt32

    package var type: FileType { FileType(mode: mode) }
  }

  /// The attributes of an entry.
  package func attributes(_ entry: UInt32) -> Attributes? {
    guard let place = place(of: entry) else { return nil }
    return Attributes(
      mode: file.number(at: place), uid: file.number(at: place + 4),
      gid: file.number(at: place + 8), linkCount: file.number(at: place + 12),
      device: DeviceNumber(
        major: file.number(at: place + 16), minor: file.number(at: place + 20)),
      size: file.number(at: place + 24),
      modificationTime: FileTime(
        seconds: file.number(at: place + 32), nanoseconds: file.number(at: place + 40)),
      flags: LayerFlags(rawValue: file.number(at: place + 44)),
      parent: file.number(at: place + 56))
  }

  func place(of entry: UInt32) -> Int? {
    Int(entry) < entryCount ? inodes.lowerBound + Int(entry) * IndexLayout.inodeSize : nil
  }

  func type(of place: Int) -> FileType { FileType(mode: file.number(at: place)) }

  /// Fields 48 and 52: the first child or chunk, and how many, cut to what the section holds.
  private func range(at place: Int, of section: Range<Int>, _ size: Int) -> Range<Int> {
    let first = Int(file.number(UInt32.self, at: place + 48))
    let count = Int(file.number(UInt32.self, at: place + 52))
    return (first..<(first + count)).clamped(to: 0..<(section.count / size))
  }

  // MARK: - Directories

  /// An entry of a directory.
  package struct Child: Sendable {
    package var entry: UInt32
    package var name: RawPath
    package var type: FileType
  }

  private func childRange(_ directory: UInt32) -> Range<Int>? {
    guard let place = place(of: directory), type(of: place) == .directory else { return nil }
    return range(at: place, of: children, IndexLayout.childSize)
  }

  func childPlace(_ number: Int) -> Int { children.lowerBound + number * IndexLayout.childSize }

  func nameRange(_ childPlace: Int) -> Range<Int> {
    let start = names.lowerBound + Int(file.number(UInt32.self, at: childPlace + 4))
    let end = start + Int(file.number(UInt16.self, at: childPlace + 8))
    return (start..<end).clamped(to: names)
  }

  /// How many names a directory has; nil where the entry is none.
  package func childCount(of directory: UInt32) -> Int? { childRange(directory)?.count }

  /// The name at a position, from 0 in the order of their bytes: positions never change.
  package func child(at position: Int, of directory: UInt32) -> Child? {
    guard let range = childRange(directory), position >= 0, position < range.count else {
      return nil
    }
    let place = childPlace(range.lowerBound + position)
    let name = file.bytes(nameRange(place))
    return Child(
      entry: file.number(at: place), name: RawPath(name),
      type: FileType(rawValue: file.number(at: place + 10)) ?? .unknown)
  }

  /// The entry of that name in a directory; nil if there is none.
  package func lookup(_ name: RawPath, in directory: UInt32) -> UInt32? {
    guard let range = childRange(directory) else { return nil }
    let bytes = name.bytes
    var low = range.lowerBound
    var high = range.upperBound
    while low < high {
      let middle = low + (high - low) / 2
      let place = childPlace(middle)
      let order = file.compare(nameRange(place), with: bytes)
      if order == 0 { return file.number(at: place) }
      if order < 0 { low = middle + 1 } else { high = middle }
    }
    return nil
  }

  // MARK: - Attributes and links

  /// The target of a symbolic link; nil where the entry is none.
  package func linkTarget(_ entry: UInt32) -> RawPath? {
    guard let place = place(of: entry), type(of: place) == .symlink else { return nil }
    return RawPath(file.bytes(targetRange(place)))
  }

  func targetRange(_ place: Int) -> Range<Int> {
    let start = targets.lowerBound + Int(file.number(UInt32.self, at: place + 68))
    let size = Int(clamping: file.number(Int64.self, at: place + 24))
    return (start..<(start + max(0, min(size, LayerLimit.pathBytes)))).clamped(to: targets)
  }

  /// The extended attributes of an entry, without those that steer overlays.
  package func xattrs(_ entry: UInt32) -> [TarHeader.Xattr] {
    guard let place = place(of: entry) else { return [] }
    let range = xattrRange(place)
    return range.isEmpty ? [] : Self.parseXattrs(file.bytes(range)) ?? []
  }

  func xattrRange(_ place: Int) -> Range<Int> {
    let start = xattrHeap.lowerBound + Int(file.number(UInt32.self, at: place + 60))
    let length = Int(file.number(UInt32.self, at: place + 64))
    return length == 0 ? 0..<0 : (start..<(start + length)).clamped(to: xattrHeap)
  }

  static func parseXattrs(_ bytes: [UInt8]) -> [TarHeader.Xattr]? {
    var result: [TarHeader.Xattr] = []
    var index = 0
    while index < bytes.count {
      guard bytes.count - index >= 6 else { return nil }
      let nameLength = Int(bytes[index]) | Int(bytes[index + 1]) << 8
      let valueLength = (0..<4).reduce(0) { $0 | Int(bytes[index + 2 + $1]) << (8 * $1) }
      index += 6
      guard nameLength > 0, nameLength + valueLength <= bytes.count - index else { return nil }
      result.append(
        TarHeader.Xattr(
          name: Array(bytes[index..<(index + nameLength)]),
          value: Array(bytes[(index + nameLength)..<(index + nameLength + valueLength)])))
      index += nameLength + valueLength
    }
    return result
  }

  // MARK: - Content

  /// How many chunks the layer has; their numbers are those below.
  package var chunkCount: Int { chunkTable.count / IndexLayout.chunkSize }

  /// The numbers of an entry's chunks, in the order of its bytes; empty where it has no content.
  package func chunks(of entry: UInt32) -> Range<Int> {
    guard let place = place(of: entry), type(of: place) == .regular else { return 0..<0 }
    return range(at: place, of: chunkTable, IndexLayout.chunkSize)
  }

  /// The chunk of that number.
  package func chunk(_ number: Int) -> LayerChunk? {
    guard number >= 0, number < chunkCount else { return nil }
    let place = chunkTable.lowerBound + number * IndexLayout.chunkSize
    return LayerChunk(
      fileOffset: file.number(at: place), length: file.number(at: place + 16),
      extent: BlobRange(
        offset: file.number(at: place + 8),
        length: Int64(file.number(UInt32.self, at: place + 28))),
      innerOffset: Int(file.number(UInt32.self, at: place + 24)),
      digest: digest(at: place + 32))
  }

  /// The number of the chunk that holds a byte of a file; nil behind its end.
  package func chunk(of entry: UInt32, holding offset: Int64) -> Int? {
    let range = chunks(of: entry)
    var low = range.lowerBound
    var high = range.upperBound
    while low < high {
      let middle = low + (high - low) / 2
      let place = chunkTable.lowerBound + middle * IndexLayout.chunkSize
      let start: Int64 = file.number(at: place)
      let length: Int64 = file.number(at: place + 16)
      if offset < start {
        high = middle
      } else if offset - start >= length {
        low = middle + 1
      } else {
        return middle
      }
    }
    return nil
  }

  /// What the cache needs to know of a file's content; nil where it has none.
  package func payload(of entry: UInt32) -> Payload? {
    guard let place = place(of: entry) else { return nil }
    let range = chunks(of: entry)
    if range.isEmpty { return nil }
    return Payload(
      digest: payloadDigest(place, firstChunk: range.lowerBound),
      size: file.number(at: place + 24), layer: header.facts.tocDigest, entry: entry,
      chunks: range.compactMap(chunk))
  }

  func payloadDigest(_ place: Int, firstChunk: Int) -> SHA256Value? {
    let flags = LayerFlags(rawValue: file.number(at: place + 44))
    if flags.contains(.digestIsChunk) {
      return digest(at: chunkTable.lowerBound + firstChunk * IndexLayout.chunkSize + 32)
    }
    let number: UInt32 = file.number(at: place + 72)
    guard number != IndexLayout.none, Int(number) < payloads.count / IndexLayout.payloadSize else {
      return nil
    }
    return digest(at: payloads.lowerBound + Int(number) * IndexLayout.payloadSize)
  }

  private func digest(at place: Int) -> SHA256Value {
    func word(_ number: Int) -> UInt64 {
      file.number(UInt64.self, at: place + 8 * number).byteSwapped
    }
    return SHA256Value(words: (word(0), word(1), word(2), word(3)))
  }
}
