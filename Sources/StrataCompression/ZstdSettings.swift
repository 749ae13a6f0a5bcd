/// With what a zstd frame was, or is to be, made by libzstd.
package struct ZstdSettings: Hashable, Sendable {
  /// 1 to 22.
  package var level = 3
  /// Whether the frame ends with a checksum of its content.
  package var hasChecksum = true
  /// The length of the content, where the frame is to say it.
  package var contentSize: UInt64?
  /// Threads beside the caller's; their number does not change the bytes, but whether there is one does.
  package var workers = 0
  /// How much is compressed by itself where there are workers; 0 for the library's choice.
  package var jobSize = 0

  package init() {}

  /// What the header of the frame at the start of `bytes` says (RFC 8878, 3.1.1.1), with every level; none
  /// where there is no such header.
  package static func all(_ bytes: [UInt8]) -> [ZstdSettings] {
    guard bytes.count >= 6, bytes[..<4] == [0x28, 0xb5, 0x2f, 0xfd] else { return [] }
    let descriptor = bytes[4]
    // A dictionary is nothing that we have.
    guard descriptor & 3 == 0 else { return [] }
    let isSingle = descriptor & 0x20 != 0
    let sizeLength = [isSingle ? 1 : 0, 2, 4, 8][Int(descriptor >> 6)]
    let start = isSingle ? 5 : 6
    guard bytes.count >= start + sizeLength else { return [] }
    var settings = ZstdSettings()
    settings.hasChecksum = descriptor & 4 != 0
    if sizeLength > 0 {
      let size = bytes[start..<start + sizeLength].reversed().reduce(UInt64(0)) {
        $0 << 8 | UInt64($1)
      }
      settings.contentSize = sizeLength == 2 ? size + 256 : size
    }
    // 3 is the library's own choice.
    return ([3] + (1...2) + (4...19)).compactMap { level in
      // A content of known length may shrink the window.
      if settings.contentSize == nil, bytes[5] != windowByte(level: level) { return nil }
      settings.level = level
      return settings
    }
  }

  /// The window descriptor of a level where the length of the content is not known.
  ///
  /// Measured with libzstd 1.5.4; where another version has others its blobs are not made again.
  private static func windowByte(level: Int) -> UInt8 {
    let log: UInt8 =
      switch level {
      case 1: 19
      case 2: 20
      case 3...8: 21
      case 9...16: 22
      default: 23
      }
    return (log - 10) << 3
  }

  /// How the whole may be cut where the first bytes are the same: by the program, by Strata, not at all.
  var ways: [ZstdSettings] {
    [(1, 0), (1, ZstdSink.jobSize), (0, 0)].map { workers, jobSize in
      var settings = self
      settings.workers = workers
      settings.jobSize = jobSize
      return settings
    }
  }
}
