private import CISAL
private import CZlib
package import StrataSystem

/// Compresses to one gzip member on all cores: blocks of 1 MiB, each deflated by ISA-L's level 1 by
/// itself, joined at byte boundaries.
///
/// The bytes that come out depend on those that go in alone, not on the machine. One member, since
/// some readers stop at the end of the first. Threads start with the second block. `finish` must be
/// called: without it the member has no end.
@safe
package final class ParallelGzipSink: ByteSink {
  private let sink: any ByteSink
  private let block = ByteBuffer(capacity: ParallelGzipSink.blockSize)
  private let threadCount: Int
  private var workers: OrderedWorkers?
  private var checksum: UInt32 = 0
  private var byteCount: Int64 = 0
  /// Of the blocks that were given to the workers and not yet taken.
  private var sizes: [Int] = []
  private var hasStarted = false

  static let blockSize = 1 << 20

  package init(to sink: any ByteSink, threads: Int = OrderedWorkers.preferredCount) {
    self.sink = sink
    threadCount = threads
  }

  package func write(_ bytes: RawSpan) throws(StreamError) {
    var rest = bytes
    while rest.byteCount > 0 {
      if block.count == block.capacity { try compress() }
      let length = min(rest.byteCount, block.capacity - block.count)
      block.append(rest.extracting(first: length))
      rest = rest.extracting(droppingFirst: length)
    }
  }

  package func finish() throws(StreamError) {
    if workers == nil {
      // One block at most: no thread is worth starting.
      let output = ByteBuffer(capacity: DeflateBlock.outputSize)
      let deflate = DeflateBlock()
      let sum = try block.withBytes { (bytes) throws(StreamError) -> UInt64 in
        try deflate.transform(bytes, into: output)
      }
      try output.withBytes { (bytes) throws(StreamError) in
        try pass(on: bytes, sum, length: block.count)
      }
    } else {
      if block.count > 0 { try compress() }
      while workers?.isBusy == true { try take() }
    }
    // An empty last block, then checksum and size, little-endian.
    var trailer: [UInt8] = [0x03, 0x00]
    for number in [checksum, UInt32(truncatingIfNeeded: byteCount)] {
      for shift in stride(from: 0, to: 32, by: 8) {
        trailer.append(UInt8(truncatingIfNeeded: number >> UInt32(shift)))
      }
    }
    try sink.write(trailer)
  }

  /// Gives the block to a thread; where all are busy, the oldest result is written out first.
  private func compress() throws(StreamError) {
    let workers: OrderedWorkers
    if let running = self.workers {
      workers = running
    } else {
      workers = try OrderedWorkers(
        count: threadCount, inputSize: Self.blockSize, outputSize: DeflateBlock.outputSize
      ) { DeflateBlock() }
      self.workers = workers
    }
    if !workers.hasRoom { try take() }
    block.withBytes { workers.give($0) }
    sizes.append(block.count)
    block.clear()
  }

  private func take() throws(StreamError) {
    let length = sizes.removeFirst()
    try workers?.take { (bytes, sum) throws(StreamError) in
      try pass(on: bytes, sum, length: length)
    }
  }

  private func pass(on bytes: RawSpan, _ sum: UInt64, length: Int) throws(StreamError) {
    if !hasStarted {
      // No name, no time; level 1; of no particular system.
      try sink.write([0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 4, 0xff])
      hasStarted = true
    }
    checksum = UInt32(truncatingIfNeeded: crc32_combine(UInt(checksum), UInt(sum), length))
    byteCount += Int64(length)
    try sink.write(bytes)
  }
}

/// Deflates a block so that it ends at a byte boundary and can be followed by another.
@safe
private final class DeflateBlock: BlockTransform {
  private let stream: UnsafeMutablePointer<isal_zstream>
  private let memory: UnsafeMutablePointer<UInt8>
  /// As for `ISALEncoder`.
  private static let memorySize = 1 << 19
  /// Stored, a block needs 5 bytes for each 65,535.
  static let outputSize = ParallelGzipSink.blockSize + 1024

  init() {
    unsafe stream = .allocate(capacity: 1)
    unsafe memory = .allocate(capacity: Self.memorySize)
  }

  deinit {
    unsafe stream.deallocate()
    unsafe memory.deallocate()
  }

  /// The number is the block's CRC-32.
  func transform(_ input: RawSpan, into output: ByteBuffer) throws(StreamError) -> UInt64 {
    output.clear()
    return unsafe input.withUnsafeBytes { source -> UInt64 in
      guard let base = unsafe source.baseAddress?.assumingMemoryBound(to: UInt8.self),
        source.count > 0
      else { return 0 }
      output.fill { (room: inout MutableRawSpan) -> Int in
        unsafe room.withUnsafeMutableBytes { target in
          unsafe deflate(base, source.count, into: target)
            ?? store(source, into: target)
        }
      }
      return unsafe UInt64(crc32_gzip_refl(0, base, UInt64(source.count)))
    }
  }

  /// The length of the deflated bytes; nil where they are more than the plain ones would take.
  private func deflate(
    _ source: UnsafePointer<UInt8>, _ count: Int, into target: UnsafeMutableRawBufferPointer
  ) -> Int? {
    unsafe isal_deflate_init(stream)
    unsafe stream.pointee.level = 1
    unsafe stream.pointee.level_buf = memory
    unsafe stream.pointee.level_buf_size = UInt32(Self.memorySize)
    unsafe stream.pointee.flush = UInt16(SYNC_FLUSH)
    // The library does not write through next_in.
    unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: source)
    unsafe stream.pointee.avail_in = UInt32(count)
    unsafe stream.pointee.next_out = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
    unsafe stream.pointee.avail_out = UInt32(target.count)
    let result = unsafe isal_deflate(stream)
    let (left, room) = unsafe (stream.pointee.avail_in, stream.pointee.avail_out)
    // Room that is left says that everything was written out.
    return result == COMP_OK && left == 0 && room > 0 ? target.count - Int(room) : nil
  }

  private func store(
    _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) -> Int {
    var position = 0
    var start = 0
    while start < source.count {
      let length = min(source.count - start, 65_535)
      let low = UInt8(length & 0xff)
      let high = UInt8(length >> 8)
      for byte in [0, low, high, ~low, ~high] {
        unsafe target[position] = byte
        position += 1
      }
      unsafe UnsafeMutableRawBufferPointer(rebasing: target[position..<(position + length)])
        .copyMemory(
          from: UnsafeRawBufferPointer(rebasing: source[start..<(start + length)]))
      position += length
      start += length
    }
    return position
  }
}
