import StrataCompression
import StrataSystem

/// Reads the lines of a tar-split file.
final class TarSplitReader {
  private let source: DecompressingSource
  private let buffer = ByteBuffer(capacity: 1 << 17)
  private var position = 0
  private var line: [UInt8] = []
  /// A line is a segment of 1 MiB at most in our files; older packers wrote everything behind the
  /// archive into one.
  private static let lineLimit = 256 << 20

  init(_ source: any ByteSource) throws(StreamError) {
    self.source = try DecompressingSource(source)
  }

  /// The next entry, or nil at the end.
  func next() throws(StreamError) -> TarSplitEntry? {
    while true {
      guard try nextLine() else { return nil }
      if line.isEmpty { continue }
      guard let entry = TarSplitEntry(line) else {
        throw StreamError(.malformed, "tar-split: a line is malformed")
      }
      return entry
    }
  }

  private func nextLine() throws(StreamError) -> Bool {
    line.removeAll(keepingCapacity: line.count < 1 << 18)
    while true {
      if position == buffer.count {
        position = 0
        guard try source.fill(buffer) else { return !line.isEmpty }
      }
      let from = position
      var hasEnded = false
      buffer.withBytes { bytes in
        let rest = bytes.extracting(droppingFirst: from)
        let length = rest.firstIndex(of: 0x0a)
        hasEnded = length != nil
        line.append(rest.extracting(first: length ?? rest.byteCount))
        position += (length ?? rest.byteCount) + (hasEnded ? 1 : 0)
      }
      if hasEnded { return true }
      if line.count > Self.lineLimit {
        throw StreamError(.limit, "tar-split: a line is longer than \(Self.lineLimit) bytes")
      }
    }
  }
}
