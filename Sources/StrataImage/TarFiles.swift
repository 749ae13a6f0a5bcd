import StrataArchive
import StrataCompression
import StrataModel
import StrataSystem

/// The files of a tar, found by one walk over its headers that leaves the bodies unread.
final class TarFiles: ImageFiles {
  let location: String
  private let file: SharedDescriptor
  private let modificationTime: FileTime
  private let entries: [RawPath: Entry]

  fileprivate enum Entry: Sendable {
    case file(Range<Int64>)
    /// To be looked up in turn; relative to the root of the archive.
    case link(RawPath)
  }

  /// Reads the headers of an uncompressed tar that lies in a file from its start.
  init(_ file: SharedDescriptor, location: String) throws(StoreError) {
    self.file = file
    self.location = location
    let status = try calling("stat \(location)") { () throws(Errno) in try file.view.status() }
    modificationTime = status.modificationTime
    entries = try streaming(location) { () throws(StreamError) in
      var index = TarIndex(file: file, location: location)
      try index.read(size: status.size)
      return index.entries
    }
  }

  /// Whether the archive holds a file of this name.
  func contains(_ name: RawPath) -> Bool { range(of: name) != nil }

  func open(_ name: RawPath) throws(StoreError) -> ImageFile? {
    guard let range = range(of: name) else { return nil }
    return ImageFile(
      source: RangeSource(file, range, name: "\(location): \(name)"),
      size: range.upperBound - range.lowerBound, modificationTime: modificationTime)
  }

  /// Follows links inside the archive: `docker save` writes a layer that occurs twice only once.
  private func range(of name: RawPath) -> Range<Int64>? {
    var name = name.cleaned
    for _ in 0..<16 {
      switch entries[name] {
      case .file(let range): return range
      case .link(let target): name = target
      case nil: return nil
      }
    }
    return nil
  }
}

// MARK: - The walk

private struct TarIndex {
  let file: SharedDescriptor
  let location: String
  var entries: [RawPath: TarFiles.Entry] = [:]
  private static let blockSize: Int64 = 512

  /// Blocks before the entry itself that belong to it: PAX records, long names and link names.
  private static let prefixTypes = Set("xXLK".utf8)

  init(file: SharedDescriptor, location: String) {
    self.file = file
    self.location = location
  }

  mutating func read(size: Int64) throws(StreamError) {
    var position: Int64 = 0
    var entryStart: Int64 = 0
    while position + Self.blockSize <= size {
      let block = try block(at: position)
      if block.allSatisfy({ $0 == 0 }) { return }
      let rawSize = try Self.size(in: block)
      let body = position + Self.blockSize
      if Self.prefixTypes.contains(block[156]) {
        position = body + Self.padded(rawSize)
        continue
      }
      if block[156] == UInt8(ascii: "g") {
        // PAX records for all that follow, which the Go tools do not apply.
        position = body + Self.padded(rawSize)
        entryStart = position
        continue
      }
      if block[156] == UInt8(ascii: "S") {
        throw StreamError(.unsupported, "\(location): sparse files are not supported here")
      }
      let header =
        entryStart == position
        ? try Self.header(block, size: rawSize) : try header(from: entryStart, to: size)
      let bodySize = try bodySize(header, rawSize: rawSize)
      guard bodySize <= size - body else {
        throw StreamError(.unexpectedEnd, "\(header.displayName): unexpected EOF")
      }
      add(header, body..<(body + bodySize))
      position = body + Self.padded(bodySize)
      entryStart = position
    }
    // Closing blocks may be missing, as for the Go tools; half a block may not.
    if position != size || entryStart != position {
      throw StreamError(.unexpectedEnd, "unexpected EOF")
    }
  }

  /// The header of an entry that has blocks before it.
  private func header(from start: Int64, to end: Int64) throws(StreamError) -> TarHeader {
    let source = RangeSource(file, start..<end, name: location)
    guard let header = try TarReader(source).next() else {
      throw StreamError(.malformed, "invalid tar header")
    }
    return header
  }

  /// The header in a single block: most entries are so short, and a layer has many.
  private static func header(_ block: [UInt8], size: Int64) throws(StreamError) -> TarHeader {
    let sum = block.enumerated().reduce(0) { sum, byte in
      sum + ((148..<156).contains(byte.offset) ? 0x20 : Int(byte.element))
    }
    guard try number(block[148..<156]) == Int64(sum) else {
      throw StreamError(.malformed, "invalid tar header")
    }
    func text(_ range: Range<Int>) -> [UInt8] { Array(block[range].prefix { $0 != 0 }) }
    var name = text(0..<100)
    // GNU archives keep times where the others have the front of a long name.
    let prefix = text(345..<500)
    if block[257..<263].elementsEqual("ustar\0".utf8), !prefix.isEmpty {
      name = prefix + [UInt8(ascii: "/")] + name
    }
    return TarHeader(
      name: name, type: TarHeader.EntryType(rawValue: block[156]), size: size,
      linkName: text(157..<257))
  }

  private func block(at position: Int64) throws(StreamError) -> [UInt8] {
    do throws(Errno) {
      return try file.view.read(count: Int(Self.blockSize), at: position)
    } catch {
      throw StreamError(error, "read \(location)")
    }
  }

  /// The size on disk of an entry's body.
  ///
  /// Extended headers may state a larger one than the block
  /// can; where they state another, the file is sparse.
  private func bodySize(_ header: TarHeader, rawSize: Int64) throws(StreamError) -> Int64 {
    if header.type.isHeaderOnly { return 0 }
    if header.size == rawSize || header.size > 0o77_777_777_777 { return header.size }
    throw StreamError(.unsupported, "\(header.displayName): sparse files are not supported here")
  }

  private mutating func add(_ header: TarHeader, _ body: Range<Int64>) {
    let name = RawPath(header.name).cleaned
    switch header.type {
    case .regular, TarHeader.EntryType(rawValue: 0): entries[name] = .file(body)
    case .hardLink: entries[name] = .link(RawPath(header.linkName).cleaned)
    case .symlink:
      let target = RawPath(header.linkName)
      entries[name] = .link(target.isAbsolute ? target : name.parent.appending(target).cleaned)
    default: break
    }
  }

  private static func padded(_ size: Int64) -> Int64 {
    (size + blockSize - 1) / blockSize * blockSize
  }

  /// The size field: octal text, or a number in base 256 where the first bit is set.
  private static func size(in block: [UInt8]) throws(StreamError) -> Int64 {
    let invalid = StreamError(.malformed, "invalid tar header")
    let field = block[124..<136]
    var size: Int64 = 0
    if block[124] & 0x80 != 0 {
      guard block[124] == 0x80, field.dropFirst().prefix(3).allSatisfy({ $0 == 0 }) else {
        throw invalid
      }
      for byte in field.suffix(8) { size = size << 8 | Int64(byte) }
    } else {
      size = try number(field)
    }
    guard size >= 0, size < 1 << 60 else { throw invalid }
    return size
  }

  /// Octal digits after spaces, up to a space or NUL.
  private static func number(_ field: ArraySlice<UInt8>) throws(StreamError) -> Int64 {
    var value: Int64 = 0
    for byte in field.drop(while: { $0 == 0x20 }).prefix(while: { $0 != 0 && $0 != 0x20 }) {
      guard byte >= 0x30, byte <= 0x37 else {
        throw StreamError(.malformed, "invalid tar header")
      }
      value = value << 3 | Int64(byte - 0x30)
    }
    return value
  }
}
