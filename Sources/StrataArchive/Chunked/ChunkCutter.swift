import StrataSystem

/// Cuts a file's content where the bytes themselves say so, so that files with equal parts get equal
/// chunks wherever these stand: pieces of some 80 KiB on average, 16 KiB at least.
///
/// A rolling hash of the last 64 bytes, one addition and one look-up a byte (gear hash: Xia et al., FastCDC,
/// USENIX ATC 2016).
struct ChunkCutter {
  private var hash: UInt64 = 0
  /// The length of the current chunk so far.
  private var count = 0

  private static let minimum = 16 << 10
  /// 16 bits of the hash, those that depend on the most bytes.
  private static let mask: UInt64 = 0xffff << 48

  /// How many of the bytes belong to the current chunk: up to a cut, or all of them without one.
  mutating func take(_ bytes: RawSpan) -> (count: Int, isCut: Bool) {
    let gear = Self.gear.span
    var hash = hash
    // Nothing before the last 64 bytes of the minimum can matter.
    var index = min(max(0, Self.minimum - 64 - count), bytes.byteCount)
    let first = Self.minimum - count
    while index < bytes.byteCount {
      hash = hash << 1 &+ gear[Int(bytes.byte(at: index))]
      index += 1
      if hash & Self.mask == 0, index >= first {
        self.hash = 0
        count = 0
        return (index, true)
      }
    }
    self.hash = hash
    count += index
    return (index, false)
  }

  /// 256 numbers without a pattern, the same for ever: by them equal content is cut alike.
  private static let gear: [UInt64] = {
    var state: UInt64 = 0x5374_7261_7461_2e31
    return (0..<256).map { _ in
      // SplitMix64 (Steele, Lea and Flood 2014).
      state &+= 0x9e37_79b9_7f4a_7c15
      var value = state
      value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
      value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
      return value ^ value >> 31
    }
  }()
}
