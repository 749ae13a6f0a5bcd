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
    try sink.write(GzipHeader.end(checksum: checksum, size: UInt32(truncatingIfNeeded: byteCount)))
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
      try sink.write(GzipHeader.fastest)
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
  private let deflate = ISALDeflate()
  /// Stored, a block needs 5 bytes for each 65,535.
  static let outputSize = ParallelGzipSink.blockSize + 1024

  /// The number is the block's CRC-32.
  func transform(_ input: RawSpan, into output: ByteBuffer) throws(StreamError) -> UInt64 {
    output.clear()
    return try unsafe input.withUnsafeBytes { source throws(StreamError) -> UInt64 in
      guard let base = unsafe source.baseAddress?.assumingMemoryBound(to: UInt8.self),
        source.count > 0
      else { return 0 }
      try output.fill { (room: inout MutableRawSpan) throws(StreamError) -> Int in
        try unsafe room.withUnsafeMutableBytes { target throws(StreamError) -> Int in
          deflate.start(isGzip: false)
          let step = try unsafe deflate.step(source, .boundary, into: target)
          // What does not fit is longer than the plain bytes.
          return step.isDone ? step.produced : unsafe storeBlocks(source, into: target)
        }
      }
      return unsafe UInt64(crc32_gzip_refl(0, base, UInt64(source.count)))
    }
  }
}
