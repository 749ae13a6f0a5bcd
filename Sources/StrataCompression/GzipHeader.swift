/// The bytes around deflate's that make a gzip member (RFC 1952).
package enum GzipHeader {
  /// No name, no time, of no particular system.
  static let plain: [UInt8] = [0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0xff]

  /// The same, from a compressor that was told to be fast.
  package static let fastest: [UInt8] = [0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 4, 0xff]

  /// An empty last block, then the trailer.
  static func end(checksum: UInt32, size: UInt32) -> [UInt8] {
    [0x03, 0x00] + trailer(checksum: checksum, size: size)
  }

  /// The CRC-32 and the size (modulo 2^32) of the plain bytes, little-endian.
  static func trailer(checksum: UInt32, size: UInt32) -> [UInt8] {
    var bytes: [UInt8] = []
    for number in [checksum, size] {
      for shift in stride(from: 0, to: 32, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: number >> UInt32(shift)))
      }
    }
    return bytes
  }

  /// How long the header at the start of `bytes` is: with extra field, name, comment and checksum; nil
  /// where there is none, or it does not end there.
  package static func length(_ bytes: [UInt8]) -> Int? {
    guard bytes.count >= 10, bytes[0] == 0x1f, bytes[1] == 0x8b, bytes[2] == 8 else { return nil }
    let flags = bytes[3]
    var position = 10
    if flags & 0x04 != 0 {
      guard position + 2 <= bytes.count else { return nil }
      position += 2 + Int(bytes[position]) + Int(bytes[position + 1]) << 8
    }
    for flag: UInt8 in [0x08, 0x10] where flags & flag != 0 {
      guard position <= bytes.count, let end = bytes[position...].firstIndex(of: 0) else {
        return nil
      }
      position = end + 1
    }
    if flags & 0x02 != 0 { position += 2 }
    return position <= bytes.count ? position : nil
  }
}
