import StrataSystem

/// Lays out the bytes of one reply in memory that somebody else owns: the only writer of the wire.
///
/// Numbers are in the machine's order, as the kernel reads them. The memory must hold what is put;
/// each reply type knows its size, and growing ones (directories) ask `room` first.
@safe struct WireWriter {
  private let memory: UnsafeMutableRawBufferPointer
  /// Bytes written so far, the header's 16 included.
  private(set) var count: Int

  /// The size of `fuse_out_header`.
  static let headerSize = 16

  /// A writer that goes on behind the first `start` bytes.
  init(_ memory: UnsafeMutableRawBufferPointer, from start: Int = WireWriter.headerSize) {
    unsafe self.memory = memory
    count = start
  }

  /// Bytes that still fit.
  var room: Int { unsafe memory.count - count }

  mutating func put<Number: FixedWidthInteger>(_ number: Number) {
    let size = MemoryLayout<Number>.size
    precondition(room >= size)
    unsafe memory.storeBytes(of: number, toByteOffset: count, as: Number.self)
    count += size
  }

  mutating func putZeros(_ size: Int) {
    precondition(room >= size)
    for index in count..<(count + size) { unsafe memory[index] = 0 }
    count += size
  }

  mutating func put(_ bytes: ArraySlice<UInt8>) {
    precondition(room >= bytes.count)
    unsafe bytes.withUnsafeBytes { source in
      guard let from = source.baseAddress, let to = unsafe memory.baseAddress else { return }
      unsafe (to + count).copyMemory(from: from, byteCount: source.count)
    }
    count += bytes.count
  }

  /// `fuse_attr`, 88 bytes.
  mutating func put(_ a: Attributes) {
    put(a.inode)
    put(a.size)
    put(a.blocks)
    put(a.accessTime.seconds)
    put(a.modificationTime.seconds)
    put(a.changeTime.seconds)
    put(a.accessTime.nanoseconds)
    put(a.modificationTime.nanoseconds)
    put(a.changeTime.nanoseconds)
    put(a.mode)
    put(a.linkCount)
    put(a.uid)
    put(a.gid)
    put(a.representedDevice.wireNumber)
    put(a.blockSize)
    put(UInt32(0))
  }

  /// `fuse_entry_out`, 128 bytes.
  mutating func put(_ entry: Entry) {
    put(entry.node?.rawValue ?? 0)
    put(entry.generation)
    put(entry.entryLifetime.seconds)
    put(entry.attributeLifetime.seconds)
    put(entry.entryLifetime.nanoseconds)
    put(entry.attributeLifetime.nanoseconds)
    put(entry.attributes)
  }

  /// `fuse_open_out`, 16 bytes.
  mutating func put(_ open: OpenResult) {
    put(open.handle)
    put(open.modes.rawValue)
    put(open.backing)
  }

  /// `fuse_dirent` with its name, padded to 8 bytes.
  mutating func putDirent(_ name: RawPath, inode: UInt64, type: FileType, next: UInt64) {
    put(inode)
    put(next)
    put(UInt32(name.count))
    put(UInt32(type.directoryType))
    put(name.bytes)
    putZeros(paddedToEight(name.count) - name.count)
  }
}

/// The wire's records begin at multiples of 8.
func paddedToEight(_ size: Int) -> Int { (size + 7) & ~7 }

extension DeviceNumber {
  /// The kernel's 32-bit form of a device number (`new_encode_dev`): 12 bits of major between 8 and
  /// 12 of minor.
  var wireNumber: UInt32 {
    (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)
  }

  init(wireNumber n: UInt32) {
    self.init(major: (n >> 8) & 0xfff, minor: (n & 0xff) | ((n >> 12) & 0xfff00))
  }
}
