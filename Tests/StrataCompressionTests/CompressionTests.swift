import StrataCompression
import StrataModel
import StrataSystem
import StrataTestSupport
import Testing

/// A compressor that is installed.
struct Packer: CustomTestStringConvertible, Sendable {
  let program: String
  let arguments: [String]
  let compression: Compression

  var testDescription: String { ([program] + arguments).joined(separator: " ") }

  func pack(_ bytes: [UInt8]) throws -> [UInt8] {
    let result = try runProgram(program, arguments, input: bytes)
    try #require(result.status == 0, "\(result)")
    return result.stdout
  }

  static let all = [
    Packer(program: "gzip", arguments: ["-c"], compression: .gzip),
    Packer(program: "gzip", arguments: ["-c", "-1", "-n"], compression: .gzip),
    Packer(program: "zstd", arguments: ["-c", "-q"], compression: .zstd),
    Packer(program: "zstd", arguments: ["-c", "-q", "--long=27"], compression: .zstd),
    Packer(program: "xz", arguments: ["-c"], compression: .xz),
    Packer(program: "bzip2", arguments: ["-c"], compression: .bzip2),
  ]
}

/// Text that compresses, with noise that does not.
let sample: [UInt8] = {
  var bytes: [UInt8] = []
  for number in 0..<40_000 {
    bytes.append(contentsOf: "line \(number % 977) of the sample\n".utf8)
    if number.isMultiple(of: 50) { bytes.append(contentsOf: randomBytes(200)) }
  }
  return bytes
}()

func decompress(_ bytes: [UInt8], _ engine: InflateEngine = .best) throws(StreamError) -> [UInt8] {
  try DecompressingSource(ArraySource(bytes), engine: engine).readToEnd(limit: 1 << 30)
}

func failure(of bytes: [UInt8], _ engine: InflateEngine = .best) -> StreamError? {
  do throws(StreamError) {
    _ = try decompress(bytes, engine)
    return nil
  } catch { return error }
}

@Suite struct CompressionTests {
  @Test(arguments: Packer.all)
  func readsWhatThePeersWrite(packer: Packer) throws {
    for size in [0, 1, 5, 100_000, sample.count] {
      let packed = try packer.pack(Array(sample[..<size]))
      let source = try DecompressingSource(ArraySource(packed))
      #expect(source.compression == packer.compression)
      let plain = try source.readToEnd(limit: 1 << 30)
      #expect(plain == Array(sample[..<size]))
    }
  }

  @Test(arguments: Packer.all)
  func readsSeveralMembersAsOne(packer: Packer) throws {
    let packed =
      try packer.pack(Array("one ".utf8)) + packer.pack([])
      + packer.pack(Array(sample[..<300_000]))
    #expect(try decompress(packed) == Array("one ".utf8) + sample[..<300_000])
  }

  @Test(arguments: Packer.all)
  func refusesWhatIsCutOff(packer: Packer) throws {
    let packed = try packer.pack(sample)
    for length in [7, 20, packed.count / 2, packed.count - 1] {
      let error = try #require(failure(of: Array(packed[..<length])), "cut at \(length)")
      #expect(error.kind == .unexpectedEnd && error.message == "unexpected EOF")
    }
  }

  @Test(arguments: Packer.all)
  func refusesWhatIsCorrupt(packer: Packer) throws {
    var packed = try packer.pack(sample)
    // The middle is content, which a checksum guards in each of these formats.
    for index in (packed.count / 2)..<(packed.count / 2 + 40) { packed[index] ^= 0x55 }
    let error = try #require(failure(of: packed))
    #expect(error.kind == .malformed || error.kind == .unexpectedEnd)
  }

  @Test(arguments: [Compression.gzip, .zstd, .xz, .bzip2])
  func refusesGarbageBehindTheEnd(compression: Compression) throws {
    let packer = try #require(Packer.all.first { $0.compression == compression })
    let packed = try packer.pack(sample) + Array("garbage behind the end".utf8)
    #expect(failure(of: packed) != nil)
  }

  @Test func inflatesAlikeWithBothEngines() throws {
    let packed = try Packer.all[0].pack(sample)
    #expect(try decompress(packed + packed, .zlib) == decompress(packed + packed, .isal))
    #expect(failure(of: Array(packed.dropLast(3)), .zlib)?.kind == .unexpectedEnd)
    var wrong = packed
    wrong[wrong.count - 8] ^= 1
    for engine in [InflateEngine.isal, .zlib] {
      #expect(failure(of: wrong, engine)?.kind == .malformed)
    }
  }

  @Test func passesRawBytesThrough() throws {
    for bytes in [[], [0x1f], [0x1f, 0x8b], Array("plain".utf8), sample] {
      let source = try DecompressingSource(ArraySource(bytes))
      #expect(source.compression == .none)
      #expect(try source.readToEnd(limit: 1 << 30) == bytes)
    }
  }

  @Test func refusesAWindowAbove128MiB() throws {
    // A window as large as declared: the frame header says so whatever follows.
    let packed = try runProgram(
      "bash", ["-c", "head -c 300M /dev/zero | zstd -q -c --ultra --long=28"])
    let error = try #require(failure(of: packed.stdout))
    #expect(error.kind == .limit)
  }

  @Test func refusesABomb() throws {
    // 3 GiB of zeros are 100 KB of zstd, a ratio far above what a layer has.
    let packed = try runProgram("bash", ["-c", "head -c 3G /dev/zero | zstd -q -c -1"])
    let source = try DecompressingSource(ArraySource(packed.stdout))
    do throws(StreamError) {
      let buffer = ByteBuffer(capacity: 1 << 20)
      while try source.fill(buffer) {}
      Issue.record("accepted")
    } catch { #expect(error.kind == .limit) }
  }

  @Test(arguments: [nil, 0, 1, 6, 9])
  func writesGzipThatThePeerReads(level: Int?) throws {
    let target = ArraySink()
    let sink = GzipSink(to: target, level: level)
    for start in stride(from: 0, to: sample.count, by: 77_777) {
      try sink.write(Array(sample[start..<min(start + 77_777, sample.count)]))
    }
    try sink.finish()
    #expect(try decompress(target.bytes) == sample)
    let result = try runProgram("gzip", ["-dc"], input: target.bytes)
    #expect(result.status == 0 && result.stdout == sample)
  }

  @Test(arguments: [nil, 1, 19])
  func writesZstdThatThePeerReads(level: Int?) throws {
    let target = ArraySink()
    let sink = ZstdSink(to: target, level: level)
    try sink.write(sample)
    try sink.finish()
    #expect(try decompress(target.bytes) == sample)
    let result = try runProgram("zstd", ["-dc"], input: target.bytes)
    #expect(result.status == 0 && result.stdout == sample)
  }

  @Test func writesEmptyStreams() throws {
    let (gzip, zstd) = (ArraySink(), ArraySink())
    try GzipSink(to: gzip).finish()
    try ZstdSink(to: zstd).finish()
    #expect(!gzip.bytes.isEmpty && !zstd.bytes.isEmpty)
    #expect(try decompress(gzip.bytes) == [] && decompress(zstd.bytes) == [])
  }

  /// Values of storage-format 5.2, as the Go tool wrote them.
  @Test func checksumsAsTarSplitDoes() {
    var hello = CRC64()
    hello.update(Array("hel".utf8).rawSpan)
    hello.update(Array("lo\n".utf8).rawSpan)
    #expect(hello.value == 0x614c_3eee_e2d8_1000)
    var x = CRC64()
    x.update(Array("x\n".utf8).rawSpan)
    #expect(x.value == 0x6153_1000_0000_0000)
    #expect(CRC64().value == 0)
  }

  @Test func readsAheadOnAnotherThread() throws {
    let ahead = try ReadAheadSource(ArraySource(sample), buffers: 3, bufferSize: 4096)
    #expect(try ahead.readToEnd(limit: 1 << 30) == sample)
    // One that is dropped in the middle ends its thread.
    let dropped = try ReadAheadSource(ArraySource(sample), buffers: 2, bufferSize: 512)
    _ = try dropped.next()
    dropped.stop()
  }

  @Test func givesTheBytesBeforeAnErrorFirst() throws {
    let packed = try Packer.all[0].pack(sample).dropLast(4)
    let ahead = try ReadAheadSource(DecompressingSource(ArraySource(Array(packed))))
    var count = 0
    do throws(StreamError) {
      while let buffer = try ahead.next() { count += buffer.count }
      Issue.record("accepted")
    } catch { #expect(error.kind == .unexpectedEnd) }
    #expect(count == sample.count)
  }
}
