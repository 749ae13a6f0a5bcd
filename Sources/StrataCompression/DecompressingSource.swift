package import StrataModel
package import StrataSystem

/// The plain bytes of a blob: raw, gzip (several members), zstd (several frames), xz or bzip2
/// (several streams), told apart by their magic.
///
/// It reads its source to the end, and refuses a blob that blows up more than 2000-fold beyond its
/// first GiB of output, which no real layer does.
package final class DecompressingSource: ByteSource {
  private let source: any ByteSource
  private let input = ByteBuffer(capacity: 1 << 20)
  private var position = 0
  private var inputIsAtEnd = false
  private let decoder: (any Decoder)?
  /// Whether the decoder stands between members: the input may end here.
  private var isBetweenMembers = true
  private var read: Int64 = 0
  private var written: Int64 = 0
  /// What the magic said.
  package let compression: Compression

  /// Reads the first bytes of `source` to tell its format; gzip is inflated by `engine`.
  package init(
    _ source: any ByteSource, engine: InflateEngine = .best
  ) throws(StreamError) {
    self.source = source
    var start: [UInt8] = []
    while input.count < 6 {
      let before = input.count
      try input.append { (span: inout MutableRawSpan) throws(StreamError) -> Int in
        try source.read(into: &span)
      }
      if input.count == before {
        inputIsAtEnd = true
        break
      }
    }
    input.withBytes { start = [UInt8]($0.extracting(first: 6)) }
    read = Int64(input.count)
    compression = detectCompression(start)
    decoder =
      switch compression {
      case .none: nil
      case .gzip: engine == .isal ? GzipDecoder() : try ZlibDecoder()
      case .zstd: try ZstdDecoder()
      case .xz: try XzDecoder()
      case .bzip2: try Bzip2Decoder()
      }
  }

  package func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    guard let decoder else { return try readPlain(into: &span) }
    if span.byteCount == 0 { return 0 }
    while true {
      if position == input.count, !inputIsAtEnd { try refill() }
      let isLast = inputIsAtEnd
      if isLast, position == input.count, isBetweenMembers { return 0 }
      let from = position
      let step = try unsafe span.withUnsafeMutableBytes { output throws(StreamError) in
        try input.withBytes { bytes throws(StreamError) in
          try unsafe bytes.extracting(droppingFirst: from).withUnsafeBytes {
            memory throws(StreamError) in
            try unsafe decoder.decode(memory, into: output, isLast: isLast)
          }
        }
      }
      position += step.consumed
      if step.hasEnded {
        isBetweenMembers = true
      } else if step.consumed > 0 || step.produced > 0 {
        isBetweenMembers = false
      }
      if step.produced > 0 {
        written += Int64(step.produced)
        try checkRatio()
        return step.produced
      }
      if isLast, position == input.count, step.consumed == 0, !step.hasEnded {
        throw StreamError(.unexpectedEnd, "unexpected EOF")
      }
    }
  }

  private func readPlain(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    if position < input.count {
      let count = input.copyBytes(from: position, into: &span)
      position += count
      return count
    }
    return inputIsAtEnd ? 0 : try source.read(into: &span)
  }

  private func refill() throws(StreamError) {
    position = 0
    inputIsAtEnd = try !source.fill(input)
    read += Int64(input.count)
  }

  private func checkRatio() throws(StreamError) {
    if written > 1 << 30, written / 2000 > read {
      throw StreamError(
        .limit, "\(read) compressed bytes gave more than \(written) bytes: refused as a bomb")
    }
  }
}
