package import StrataSystem

/// What is remembered of a compressed blob so that its compressor can be told: its first bytes, and
/// checksums on the way, by which who makes it again notices soon where the bytes become others.
///
/// As bytes: the first 4,096 of the blob, or all of a shorter one; then for each whole 256 KiB of it the
/// CRC-64 (as tar-split's) of everything up to there, little-endian. 36 KiB for a blob of 1 GiB.
package struct BlobSigns: Sendable {
  /// The first bytes: beyond the tables of a first block.
  package private(set) var head: [UInt8] = []
  private var sums: [UInt64] = []
  private var sum = CRC64()
  private var untilNext = BlobSigns.step

  private static let headSize = 4096
  private static let step = 1 << 18
  /// 16 GiB: the signs of no blob become large.
  private static let sumLimit = 1 << 16

  /// Those of a blob of which nothing has come yet.
  package init() {}

  /// Reads what `bytes` gave.
  package init(_ bytes: [UInt8]) {
    head = Array(bytes.prefix(Self.headSize))
    for start in stride(from: Self.headSize, to: bytes.count - 7, by: 8) {
      sums.append(bytes[start..<start + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) })
    }
  }

  /// What is to be stored.
  package var bytes: [UInt8] {
    head + sums.flatMap { sum in (0..<8).map { UInt8(truncatingIfNeeded: sum >> ($0 * 8)) } }
  }

  /// Whether the first bytes have all come.
  package var hasWholeHead: Bool { head.count == Self.headSize }

  /// Takes the next bytes of the blob.
  package mutating func update(_ bytes: RawSpan) {
    if head.count < Self.headSize {
      head += [UInt8](bytes.extracting(first: min(bytes.byteCount, Self.headSize - head.count)))
    }
    var rest = bytes
    while rest.byteCount > 0, sums.count < Self.sumLimit {
      let count = min(rest.byteCount, untilNext)
      sum.update(rest.extracting(first: count))
      rest = rest.extracting(droppingFirst: count)
      untilNext -= count
      if untilNext == 0 {
        sums.append(sum.value)
        untilNext = Self.step
      }
    }
  }

  /// Whether a blob that began so may be the one that `whole` are the signs of.
  package func agrees(with whole: BlobSigns) -> Bool {
    whole.head.starts(with: head) && whole.sums.starts(with: sums)
  }
}

/// Passes bytes on as long as they agree with the signs of a blob.
package final class AgreeingSink: ByteSink {
  private let sink: any ByteSink
  private let wanted: BlobSigns
  /// Of what has come so far.
  package private(set) var signs = BlobSigns()

  package init(to sink: any ByteSink, _ wanted: BlobSigns) {
    self.sink = sink
    self.wanted = wanted
  }

  /// Errors: `.mismatch` where the blob is another.
  package func write(_ bytes: RawSpan) throws(StreamError) {
    signs.update(bytes)
    guard signs.agrees(with: wanted) else {
      throw StreamError(.mismatch, "another compressor than the blob's")
    }
    try sink.write(bytes)
  }
}
