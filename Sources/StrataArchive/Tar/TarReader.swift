package import StrataModel
package import StrataSystem

/// Reads a tar archive entry by entry: ustar, PAX with extended attributes and sparse files, GNU
/// long names and base-256 numbers.
///
/// It accepts and refuses what Go's reader does, since that one decides what a layer holds for every
/// other tool: global headers are entries of their own and change no later entry, an archive may end
/// without zero blocks, and the old GNU form of sparse files is left to the caller as type `S`.
package final class TarReader {
  let input: TarInput
  /// Takes every byte that belongs to no body.
  private let recorder: (any TarRecorder)?
  private var block: [UInt8] = []
  /// What is left of the current body as stored, and its padding.
  private(set) var remaining: Int64 = 0
  private var padding = 0
  /// The map of the current entry if it is sparse.
  private(set) var sparse: SparseMap?
  private var lastName: [UInt8] = []
  private var hasEnded = false

  /// Reads from `source`, which may read ahead.
  package convenience init(_ source: any ByteSource) {
    self.init(source, recorder: nil)
  }

  init(_ source: any ByteSource, recorder: (any TarRecorder)?) {
    input = TarInput(source)
    self.recorder = recorder
    block.reserveCapacity(tarBlockSize)
  }

  /// The next entry, or nil at the end of the archive; the rest of the last entry's body is skipped.
  package func next() throws(StreamError) -> TarHeader? {
    if hasEnded { return nil }
    try finishBody()
    var records = PaxRecords()
    var longName: [UInt8] = []
    var longLink: [UInt8] = []
    while true {
      guard var header = try nextBlock() else {
        hasEnded = true
        return nil
      }
      try startBody(of: header)
      switch header.type.rawValue {
      case UInt8(ascii: "x"):
        guard let read = PaxRecords(try specialBody()) else { throw invalidHeader() }
        records = read
      case UInt8(ascii: "g"):
        // Its values change nothing, so a malformed one is no error.
        guard PaxRecords(try specialBody()) != nil else { throw invalidHeader() }
        lastName = header.name
        remaining = 0
        return header
      case UInt8(ascii: "L"): longName = Array(try specialBody().prefix { $0 != 0 })
      case UInt8(ascii: "K"): longLink = Array(try specialBody().prefix { $0 != 0 })
      default:
        guard records.merge(into: &header) else { throw invalidHeader() }
        if !longName.isEmpty { header.name = longName }
        if !longLink.isEmpty { header.linkName = longLink }
        if header.type.rawValue == 0 {
          header.type = header.name.last == UInt8(ascii: "/") ? .directory : .regular
        }
        try startBody(of: header)
        try readSparseMap(records, &header)
        lastName = header.name
        return header
      }
    }
  }

  /// Lets `use` see the rest of the body piece by piece, each with its place in the file; holes are
  /// left out.
  package func pieces(
    _ use: (Int64, RawSpan) throws(StreamError) -> Void
  ) throws(StreamError) {
    guard let sparse else {
      var offset: Int64 = 0
      while remaining > 0 {
        let from = offset
        offset += Int64(
          try nextPiece(limit: remaining) { (bytes) throws(StreamError) in try use(from, bytes) })
      }
      return
    }
    for piece in sparse.pieces {
      var offset = piece.lowerBound
      while offset < piece.upperBound {
        let from = offset
        offset += Int64(
          try nextPiece(limit: piece.upperBound - offset) { (bytes) throws(StreamError) in
            try use(from, bytes)
          })
      }
    }
  }

  /// The next bytes of the body as stored.
  func nextPiece(
    limit: Int64, _ use: (RawSpan) throws(StreamError) -> Void
  ) throws(StreamError) -> Int {
    let count = try input.nextPiece(limit: limit, use)
    if count == 0 { throw unexpectedEnd() }
    remaining -= Int64(count)
    return count
  }

  /// The rest of the current entry's body as stored, which is the file unless it is sparse.
  package var body: any ByteSource { TarBody(self) }

  /// What is left of the current entry's body; more than `limit` bytes are an error.
  package func readBody(limit: Int) throws(StreamError) -> [UInt8] {
    if remaining > Int64(limit) {
      throw StreamError(.limit, "\(text(lastName)): more than \(limit) bytes")
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(remaining))
    while remaining > 0 {
      _ = try nextPiece(limit: remaining) { bytes.append($0) }
    }
    return bytes
  }

  /// Reads to the end of the source, whatever stands behind the archive.
  package func drain() throws(StreamError) {
    while try input.nextPiece(
      limit: 1 << 20,
      { (bytes) throws(StreamError) in
        try recorder?.segment(bytes)
      }) > 0
    {}
  }
}

extension TarReader {
  /// Skips what is left of a body, and its padding, which may be missing at the very end.
  private func finishBody() throws(StreamError) {
    while remaining > 0 {
      _ = try nextPiece(limit: remaining) { (bytes) throws(StreamError) in
        try recorder?.segment(bytes)
      }
    }
    if padding > 0 {
      _ = try input.pieces(of: Int64(padding)) { (bytes) throws(StreamError) in
        try recorder?.segment(bytes)
      }
      padding = 0
    }
  }

  /// The header in the next block; nil behind the end.
  private func nextBlock() throws(StreamError) -> TarHeader? {
    guard try readBlock() else { return nil }
    if block.allSatisfy({ $0 == 0 }) {
      guard try readBlock() else { return nil }
      if block.allSatisfy({ $0 == 0 }) { return nil }
      throw invalidHeader()
    }
    guard let header = TarBlock(block).header() else { throw invalidHeader() }
    return header
  }

  /// Reads a block; false where the source ends before it.
  private func readBlock() throws(StreamError) -> Bool {
    try input.take(tarBlockSize, into: &block)
    if block.isEmpty { return false }
    if block.count < tarBlockSize { throw unexpectedEnd() }
    try recorder?.segment(block)
    return true
  }

  private func startBody(of header: TarHeader) throws(StreamError) {
    remaining = header.type.isHeaderOnly ? 0 : header.size
    if remaining < 0 { throw invalidHeader() }
    padding = tarPadding(remaining)
    sparse = nil
  }

  /// The body of an entry that describes the next one, with its padding.
  ///
  /// Bounded as Go bounds it.
  private func specialBody() throws(StreamError) -> [UInt8] {
    if remaining > 1 << 20 {
      throw StreamError(.limit, "archive/tar: header field too long (after \(text(lastName)))")
    }
    var bytes: [UInt8] = []
    try input.take(Int(remaining), into: &bytes)
    if Int64(bytes.count) < remaining { throw unexpectedEnd() }
    try recorder?.segment(bytes)
    remaining = 0
    try finishBody()
    return bytes
  }

  /// GNU's three PAX forms of sparse files: 0.0 and 0.1 have the map in the records, 1.0 in front of
  /// the data.
  private func readSparseMap(
    _ records: PaxRecords, _ header: inout TarHeader
  ) throws(StreamError) {
    let map = records[PaxKey.sparseMap]
    let isInBody: Bool
    switch (
      records[PaxKey.sparseMajor].map(Array.init), records[PaxKey.sparseMinor].map(Array.init)
    )
    {
    case ([0x30], [0x30]), ([0x30], [0x31]): isInBody = false
    case ([0x31], [0x30]): isInBody = true
    case (nil, nil) where map != nil || !records.sparsePieces.isEmpty: isInBody = false
    default: return
    }
    if let name = records[PaxKey.sparseName] { header.name = Array(name) }
    if let size = records[PaxKey.sparseSize] ?? records[PaxKey.sparseRealSize] {
      guard let size = PaxRecords.decimal(size) else { throw invalidHeader() }
      header.size = size
    }
    let numbers =
      isInBody ? try mapFromBody() : try mapFromRecords(records)
    guard !header.type.isHeaderOnly,
      let sparse = SparseMap(numbers, size: header.size, stored: remaining)
    else { throw invalidHeader() }
    self.sparse = sparse
  }

  private func mapFromRecords(_ records: PaxRecords) throws(StreamError) -> [Int64] {
    var texts = records.sparsePieces
    if texts.isEmpty, let map = records[PaxKey.sparseMap] {
      texts = map.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    }
    guard let count = records[PaxKey.sparseCount].flatMap(PaxRecords.decimal), count >= 0,
      count == texts.count / 2, texts.count.isMultiple(of: 2)
    else { throw invalidHeader() }
    var numbers: [Int64] = []
    for text in texts {
      guard let number = PaxRecords.decimal(text) else { throw invalidHeader() }
      numbers.append(number)
    }
    return numbers
  }

  /// The map of format 1.0: decimal lines, the number of pieces first, filled up to a whole block.
  private func mapFromBody() throws(StreamError) -> [Int64] {
    var numbers: [Int64] = []
    var line: [UInt8] = []
    var count: Int64?
    var blocks = 0
    while count.map({ numbers.count < 2 * $0 }) ?? true {
      blocks += 1
      if blocks > 1 << 14 { throw invalidHeader() }
      guard remaining >= Int64(tarBlockSize) else { throw unexpectedEnd() }
      try input.take(tarBlockSize, into: &block)
      if block.count < tarBlockSize { throw unexpectedEnd() }
      remaining -= Int64(tarBlockSize)
      try recorder?.segment(block)
      for byte in block {
        if byte != 0x0a {
          line.append(byte)
          if line.count > 32 { throw invalidHeader() }
          continue
        }
        guard let number = PaxRecords.decimal(line[...]) else { throw invalidHeader() }
        line.removeAll(keepingCapacity: true)
        if count == nil {
          guard number >= 0, number < 1 << 22 else { throw invalidHeader() }
          count = number
        } else {
          numbers.append(number)
        }
        if let count, numbers.count == 2 * count { break }
      }
    }
    return numbers
  }

  private func text(_ name: [UInt8]) -> String { String(decoding: name, as: UTF8.self) }

  private var place: String {
    lastName.isEmpty ? "at its start" : "after \(text(lastName))"
  }

  private func invalidHeader() -> StreamError {
    StreamError(.malformed, "archive/tar: invalid tar header \(place)")
  }

  private func unexpectedEnd() -> StreamError {
    StreamError(.unexpectedEnd, "unexpected EOF \(place)")
  }
}

/// The rest of an entry's body, as stored.
private final class TarBody: ByteSource {
  private let reader: TarReader

  init(_ reader: TarReader) {
    self.reader = reader
  }

  func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    if reader.remaining == 0 || span.byteCount == 0 { return 0 }
    return try reader.read(into: &span)
  }
}

extension TarReader {
  /// Copies the next bytes of the body as stored.
  fileprivate func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    let count = try input.read(upTo: remaining, into: &span)
    if count == 0 { throw unexpectedEnd() }
    remaining -= Int64(count)
    return count
  }
}
