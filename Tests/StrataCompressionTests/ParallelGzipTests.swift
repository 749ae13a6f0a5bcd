import StrataCompression
import StrataModel
import StrataSystem
import StrataTestSupport
import Testing

/// gzip on several threads: one member, whatever the number of threads and the pieces written.
@Suite struct ParallelGzipTests {
  private func pack(_ bytes: [UInt8], threads: Int, piece: Int = 300_007) throws -> [UInt8] {
    let target = ArraySink()
    let sink = ParallelGzipSink(to: target, threads: threads)
    for start in stride(from: 0, to: bytes.count, by: piece) {
      try sink.write(Array(bytes[start..<min(start + piece, bytes.count)]))
    }
    try sink.finish()
    return target.bytes
  }

  /// Text, noise and zeros, longer than all blocks in flight.
  private static let long: [UInt8] =
    sample + randomBytes(3 << 20) + [UInt8](repeating: 0, count: 5 << 20) + sample
    + randomBytes(1 << 20) + sample

  @Test(arguments: [0, 1, 100_000, 1 << 20, 1 << 20 + 1, 2 << 20])
  func givesBackWhatWasWritten(size: Int) throws {
    let bytes = Array(Self.long[..<size])
    let packed = try pack(bytes, threads: 2)
    for engine in [InflateEngine.isal, .zlib] { #expect(try decompress(packed, engine) == bytes) }
  }

  @Test func peersReadIt() throws {
    let packed = try pack(Self.long, threads: 3)
    #expect(packed.count < Self.long.count * 3 / 4)
    #expect(try decompress(packed) == Self.long)
    let result = try runProgram("gzip", ["-dc"], input: packed)
    #expect(result.status == 0 && result.stdout == Self.long)
    // Python's zlib stops at the end of the first member: there is no other.
    let script = """
      import sys, zlib
      d = zlib.decompressobj(31)
      sys.stdout.buffer.write(d.decompress(sys.stdin.buffer.read()))
      assert d.eof and not d.unused_data
      """
    let python = try runProgram("python3", ["-c", script], input: packed)
    #expect(python.status == 0 && python.stdout == Self.long)
  }

  @Test func givesTheSameBytesWithAnyThreads() throws {
    let packed = try pack(Self.long, threads: 1)
    #expect(try pack(Self.long, threads: 2, piece: 1 << 20) == packed)
    #expect(try pack(Self.long, threads: 7, piece: 12_345) == packed)
  }

  @Test func noiseGrowsByNoMoreThanItsFrames() throws {
    let noise = randomBytes(4 << 20)
    #expect(try pack(noise, threads: 2).count <= noise.count + 4 * 1024 + 64)
  }

  private final class FullSink: ByteSink {
    func write(_ bytes: RawSpan) throws(StreamError) {
      throw StreamError(.noSpace, "write")
    }
  }

  /// What stops half way leaves no thread behind that could touch freed memory.
  @Test func endsWhereTheSinkFails() throws {
    for _ in 0..<20 {
      let sink = ParallelGzipSink(to: FullSink(), threads: 2)
      #expect(throws: StreamError.self) {
        try sink.write(Self.long)
        try sink.finish()
      }
    }
  }
}
