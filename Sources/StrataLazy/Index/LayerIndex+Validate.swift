import StrataArchive
import StrataDigest
import StrataModel
import StrataSystem

extension LayerIndex {
  static func checkHeader(_ file: MappedFile) throws(StreamError) {
    let found = file.withBytes(0..<IndexLayout.headerChecksum) { Digester.sha256(of: $0) }
    let expected = SHA256Value(
      bytes: file.bytes(IndexLayout.headerChecksum..<IndexLayout.headerSize))
    guard found == expected else {
      throw StreamError(.mismatch, "index: the header's checksum is another")
    }
  }

  func checkSections() throws(StreamError) {
    for (section, place) in header.sections {
      let found = file.withBytes(place.offset..<place.end) { Digester.sha256(of: $0) }
      guard found == place.checksum else {
        throw StreamError(.mismatch, "index: the checksum of \(section) is another")
      }
    }
  }

  /// Checks an index that somebody else has made: the shape of its tree, its links, and that chunks
  /// cover their files.
  func validate() throws(StreamError) {
    guard entryCount > 0, let root = attributes(0), root.type == .directory else {
      throw StreamError(.malformed, "index: no root")
    }
    var links = [UInt32](repeating: 0, count: entryCount)
    var isShown = [Bool](repeating: false, count: entryCount)
    isShown[0] = true
    var nextChild = 0
    for number in 0..<UInt32(entryCount) {
      guard let attributes = attributes(number), let place = place(of: number) else { continue }
      try validate(number, attributes, place)
      guard attributes.type == .directory else { continue }
      // Records lie in the order of their directories, so that each is one directory's alone.
      let first = Int(file.number(UInt32.self, at: place + 48))
      let count = Int(file.number(UInt32.self, at: place + 52))
      guard first == nextChild, childCount(of: number) == count else {
        throw wrong(number, "its names are not where they should be")
      }
      nextChild += count
      links[Int(number)] += 2
      try validateChildren(of: number, first, count, &links, &isShown)
    }
    guard nextChild == (header.sections[.children]?.length ?? 0) / IndexLayout.childSize else {
      throw StreamError(.malformed, "index: names of no directory")
    }
    for number in 0..<UInt32(entryCount) {
      guard isShown[Int(number)], attributes(number)?.linkCount == links[Int(number)] else {
        throw wrong(number, "its link count is another")
      }
    }
  }

  private func wrong(_ entry: UInt32, _ what: String) -> StreamError {
    StreamError(.malformed, "index: entry \(entry): \(what)")
  }

  private func validateChildren(
    of directory: UInt32, _ first: Int, _ count: Int, _ links: inout [UInt32],
    _ isShown: inout [Bool]
  ) throws(StreamError) {
    var previous: [UInt8] = []
    for number in first..<(first + count) {
      let place = childPlace(number)
      let name = file.bytes(nameRange(place))
      guard name.count == Int(file.number(UInt16.self, at: place + 8)), !name.isEmpty,
        name.count <= LayerLimit.nameBytes, !name.contains(0), !name.contains(UInt8(ascii: "/")),
        name != [UInt8(ascii: ".")], name != Array("..".utf8)
      else { throw wrong(directory, "a name that is none") }
      guard previous.lexicographicallyPrecedes(name) else {
        throw wrong(directory, "names out of order")
      }
      previous = name
      let child: UInt32 = file.number(at: place)
      guard let attributes = attributes(child), child != 0,
        attributes.type.rawValue == file.number(UInt8.self, at: place + 10)
      else { throw wrong(directory, "a child that is not there or of another type") }
      if attributes.type == .directory {
        guard attributes.parent == directory, child > directory, !isShown[Int(child)] else {
          throw wrong(child, "a directory in two places")
        }
        links[Int(directory)] += 1
      } else {
        links[Int(child)] += 1
      }
      isShown[Int(child)] = true
    }
  }

  private func validate(_ number: UInt32, _ attributes: Attributes, _ place: Int)
    throws(StreamError)
  {
    guard number == 0 ? attributes.parent == 0 : attributes.parent < number,
      attributes.modificationTime.nanoseconds < 1_000_000_000
    else { throw wrong(number, "its parent or its time is none") }
    let isWhiteout = attributes.flags.contains(.whiteout)
    switch attributes.type {
    case .regular: try validateChunks(of: number, attributes, place)
    case .symlink:
      let target = file.bytes(targetRange(place))
      guard !target.isEmpty, Int64(target.count) == attributes.size, !target.contains(0) else {
        throw wrong(number, "its target is none")
      }
    case .characterDevice:
      let isZero = attributes.device == DeviceNumber(major: 0, minor: 0)
      guard isZero == isWhiteout else { throw wrong(number, "a device that steers overlays") }
    case .directory, .blockDevice, .fifo: break
    case .socket, .unknown: throw wrong(number, "its type is none")
    }
    if isWhiteout, attributes.type != .characterDevice { throw wrong(number, "its marks differ") }
    let range = xattrRange(place)
    guard range.count == Int(file.number(UInt32.self, at: place + 64)),
      let xattrs = Self.parseXattrs(file.bytes(range)),
      xattrs.allSatisfy({
        $0.name.count <= LayerLimit.nameBytes && !$0.name.contains(0)
          && $0.value.count <= LayerLimit.xattrBytes && !isSteering($0.name)
      })
    else { throw wrong(number, "its attributes are none") }
  }

  private func validateChunks(of number: UInt32, _ attributes: Attributes, _ place: Int)
    throws(StreamError)
  {
    let range = chunks(of: number)
    guard range.count == Int(file.number(UInt32.self, at: place + 52)),
      attributes.size >= 0, attributes.size <= LayerLimit.totalBytes
    else { throw wrong(number, "its size or chunks are none") }
    var covered: Int64 = 0
    for index in range {
      guard let chunk = chunk(index), chunk.fileOffset == covered, chunk.length > 0,
        chunk.length <= attributes.size - covered,
        chunk.isHole || chunk.length <= LayerLimit.chunkBytes,
        chunk.innerOffset <= LayerLimit.chunkBytes, chunk.extent.offset >= 0,
        chunk.extent.offset <= header.facts.toc.offset - chunk.extent.length
      else { throw wrong(number, "its chunks do not cover it") }
      covered += chunk.length
    }
    guard covered == attributes.size else { throw wrong(number, "its chunks do not cover it") }
  }
}

/// Whether overlay programs read something into an attribute.
private func isSteering(_ name: [UInt8]) -> Bool { PrivateXattr.isLeftOut(name) }
