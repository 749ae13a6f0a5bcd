extension FileDescriptor {
  /// Makes a range of another file share the blocks of the same range of this one, if both hold the
  /// same bytes; the number of bytes that are shared now, 0 where they differ.
  ///
  /// Fails on file systems without shared blocks. C: `ioctl(FIDEDUPERANGE)`.
  package func shareRange(_ offset: Int64, _ length: Int64, with other: FileDescriptor)
    throws(Errno) -> Int64
  {
    // struct file_dedupe_range with one struct file_dedupe_range_info behind it (linux/fs.h).
    var block: [UInt8] = []
    func append(_ value: UInt64, bytes: Int) {
      for shift in 0..<bytes { block.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * shift))) }
    }
    append(UInt64(bitPattern: offset), bytes: 8)
    append(UInt64(bitPattern: length), bytes: 8)
    append(1, bytes: 2)
    append(0, bytes: 6)
    append(UInt64(bitPattern: Int64(other.rawValue)), bytes: 8)
    append(UInt64(bitPattern: offset), bytes: 8)
    append(0, bytes: 16)
    let answer = try control(0xc018_9436, block)
    func number(_ range: Range<Int>) -> UInt64 {
      answer[range].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    }
    let status = Int32(truncatingIfNeeded: number(48..<52))
    if status < 0 { throw Errno(rawValue: -status) }
    return status == 0 ? Int64(bitPattern: number(40..<48)) : 0
  }
}
