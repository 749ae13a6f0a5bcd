/// The bytes around deflate's that make a gzip member (RFC 1952).
enum GzipHeader {
  /// No name, no time, of no particular system.
  static let plain: [UInt8] = [0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0xff]

  /// The same, from a compressor that was told to be fast.
  static let fastest: [UInt8] = [0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 4, 0xff]

  /// An empty last block, then the CRC-32 and the size (modulo 2^32) of the plain bytes.
  static func end(checksum: UInt32, size: UInt32) -> [UInt8] {
    var bytes: [UInt8] = [0x03, 0x00]
    for number in [checksum, size] {
      for shift in stride(from: 0, to: 32, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: number >> UInt32(shift)))
      }
    }
    return bytes
  }
}
