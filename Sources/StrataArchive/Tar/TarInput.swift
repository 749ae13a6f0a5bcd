import StrataSystem

/// The bytes of an archive, in the buffers that they came in: nothing is copied but header blocks.
final class TarInput {
  private let ahead: ReadAheadSource?
  private let source: any ByteSource
  private var buffer: ByteBuffer
  private var position = 0
  private var isAtEnd = false
  /// How many bytes were taken so far.
  private(set) var offset: Int64 = 0

  init(_ source: any ByteSource) {
    self.source = source
    ahead = source as? ReadAheadSource
    buffer = ByteBuffer(capacity: ahead == nil ? 1 << 18 : 0)
  }

  /// Makes sure that a byte is there; false at the end.
  private func hasBytes() throws(StreamError) -> Bool {
    if position < buffer.count { return true }
    if isAtEnd { return false }
    position = 0
    if let ahead {
      if let next = try ahead.next() {
        buffer = next
        return true
      }
    } else if try source.fill(buffer) {
      return true
    }
    buffer = ByteBuffer(capacity: 0)
    isAtEnd = true
    return false
  }

  /// Lets `use` see the next bytes, at most `limit` of them, as many as lie together; returns how
  /// many there were, 0 at the end.
  func nextPiece(
    limit: Int64, _ use: (RawSpan) throws(StreamError) -> Void
  ) throws(StreamError) -> Int {
    guard limit > 0, try hasBytes() else { return 0 }
    let count = Int(min(Int64(buffer.count - position), limit))
    let range = position..<(position + count)
    position += count
    offset += Int64(count)
    try buffer.withBytes { bytes throws(StreamError) in try use(bytes.extracting(range)) }
    return count
  }

  /// Lets `use` see the next `count` bytes piece by piece; returns how many there were, fewer only
  /// at the end.
  func pieces(
    of count: Int64, _ use: (RawSpan) throws(StreamError) -> Void
  ) throws(StreamError) -> Int64 {
    var done: Int64 = 0
    while done < count {
      let piece = try nextPiece(limit: count - done, use)
      if piece == 0 { break }
      done += Int64(piece)
    }
    return done
  }

  /// Replaces `bytes` by the next `count`; fewer only at the end.
  func take(_ count: Int, into bytes: inout [UInt8]) throws(StreamError) {
    bytes.removeAll(keepingCapacity: true)
    while bytes.count < count {
      let piece = try nextPiece(limit: Int64(count - bytes.count)) { bytes.append($0) }
      if piece == 0 { return }
    }
  }

  /// Copies the next bytes, at most `limit`, to the front of the span; 0 at the end.
  func read(upTo limit: Int64, into span: inout MutableRawSpan) throws(StreamError) -> Int {
    guard limit > 0, try hasBytes() else { return 0 }
    let count = buffer.copyBytes(
      from: position, limit: Int(clamping: limit), into: &span)
    position += count
    offset += Int64(count)
    return count
  }
}
