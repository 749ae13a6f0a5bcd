import StrataArchive
import StrataCompression
import StrataDigest
import StrataLazy
import StrataModel
import StrataSystem
import StrataTestSupport
import Testing

/// A file of some chunks as a TOC would describe it, with its content.
struct Content {
  let bytes: [UInt8]
  let payload: Payload

  init(_ lengths: [Int], seed: Int = 1, hole: Int? = nil, digest: SHA256Value? = nil) {
    var bytes: [UInt8] = []
    var chunks: [LayerChunk] = []
    for (number, length) in lengths.enumerated() {
      let isHole = number == hole
      let piece = (0..<length).map {
        isHole ? 0 : UInt8(truncatingIfNeeded: ($0 &* 7 &+ number &* 31 &+ seed) >> 1)
      }
      chunks.append(
        LayerChunk(
          fileOffset: Int64(bytes.count), length: Int64(length),
          extent: BlobRange(offset: 10, length: isHole ? 0 : 100), innerOffset: 0,
          digest: Digester.sha256(of: piece.rawSpan)))
      bytes += piece
    }
    self.bytes = bytes
    payload = Payload(
      digest: digest ?? Digester.sha256(of: bytes.rawSpan), size: Int64(bytes.count),
      layer: Digest.ofNothing, entry: 1, chunks: chunks)
  }

  func chunk(_ number: Int) throws -> VerifiedChunk {
    let chunk = payload.chunks[number]
    let start = Int(chunk.fileOffset)
    return try VerifiedChunk(chunk, plain: Array(bytes[start..<(start + Int(chunk.length))]))
  }
}

@Suite("The cache of files' contents")
struct PayloadCacheTests {
  private let scratch: ScratchDirectory
  private let boot = BootID(text: [1])

  init() throws { scratch = try ScratchDirectory("payloads") }

  private func open(_ boot: BootID? = nil) throws -> PayloadCache {
    try PayloadCache(
      try FileDescriptor.workingDirectory.open(scratch.path, [.readOnly, .directory]),
      boot: boot ?? self.boot)
  }

  private func path(_ content: Content) throws -> RawPath {
    let hex = try #require(content.payload.digest).hex
    return scratch.path.appending(RawPath("files/\(hex.prefix(2))/\(hex)"))
  }

  private func damage(_ path: RawPath, at offset: Int64) throws {
    let file = try FileDescriptor.workingDirectory.open(path, .readWrite)
    let status = try file.view.status()
    let byte = try file.view.bytes(1, at: offset)
    try file.view.writeAll([byte[0] ^ 0x55].rawSpan, at: offset)
    try file.view.setTimes(access: .keep, modification: .to(status.modificationTime))
  }

  @Test("a file of one chunk is there at once and after a restart")
  func small() throws {
    let content = Content([1000])
    let cache = try open()
    #expect(try cache.open(content.payload) == nil)
    let cached = try cache.store(try content.chunk(0), as: content.payload)
    #expect(try cached.bytes(2000, at: 0) == content.bytes)
    _ = try cache.store(try content.chunk(0), as: content.payload)
    let again = try #require(try open().open(content.payload))
    #expect(try again.bytes(500, at: 500) == Array(content.bytes[500...]))
    #expect(try again.descriptor.view.status().permissions == 0o400)
    try cache.synchronize()
  }

  @Test("chunks that are not what they should be are never made")
  func verification() throws {
    let content = Content([1000])
    var wrong = content.bytes
    wrong[3] ^= 1
    #expect(throws: StreamError.self) { try VerifiedChunk(content.payload.chunks[0], plain: wrong) }
    // A chunk is not a whole file, and not another file.
    let cache = try open()
    let other = Content([1000], seed: 9)
    #expect(throws: StreamError.self) {
      try cache.store(try content.chunk(0), as: other.payload)
    }
    let promised = Content([1000], digest: other.payload.digest)
    #expect(throws: StreamError.self) {
      try cache.store(try content.chunk(0), as: promised.payload)
    }
  }

  @Test("pieces come in any order, stay over restarts, and make the whole")
  func partial() throws {
    let content = Content([1000, 5000, 300], hole: 1)
    do {
      let partial = try open().partial(content.payload)
      #expect(partial.isPresent(1))
      #expect(partial.missingCount == 2)
      #expect(try !partial.write(try content.chunk(2), as: 2))
      #expect(try partial.bytes(300, at: 6000) == Array(content.bytes[6000...]))
      #expect(throws: StreamError.self) { try partial.write(try content.chunk(2), as: 0) }
      #expect(throws: StreamError.self) { try partial.complete() }
    }
    let cache = try open()
    let partial = try cache.partial(content.payload)
    #expect(try cache.partial(content.payload) === partial)
    #expect(!partial.isPresent(0) && partial.isPresent(2))
    #expect(try partial.write(try content.chunk(0), as: 0))
    #expect(try !partial.write(try content.chunk(0), as: 0))
    let whole = try partial.complete()
    #expect(try whole.bytes(10_000, at: 0) == content.bytes)
    let folder = try FileDescriptor.workingDirectory.open(
      scratch.path.appending("partial"), [.readOnly, .directory])
    #expect(try folder.view.entries().isEmpty)
    // Sparse where the layer has a hole would need larger holes; the content is what counts.
    #expect(try cache.open(content.payload) != nil)
  }

  @Test("two layers share pieces only if they cut and promise the same")
  func sharing() throws {
    let content = Content([1000, 1000])
    let cache = try open()
    let partial = try cache.partial(content.payload)
    _ = try partial.write(try content.chunk(0), as: 0)
    var elsewhere = content.payload
    elsewhere.entry = 7
    elsewhere.chunks[0].extent.offset = 99
    #expect(try cache.partial(elsewhere) === partial)
    // Another layer says that wrong bytes are the first piece of the same file.
    let poison = Content([1000, 1000], seed: 5, digest: content.payload.digest)
    let poisoned = try cache.partial(poison.payload)
    #expect(poisoned !== partial)
    _ = try poisoned.write(try poison.chunk(0), as: 0)
    #expect(try poisoned.write(try poison.chunk(1), as: 1))
    let error = #expect(throws: StreamError.self) { try poisoned.complete() }
    #expect(error?.kind == .mismatch)
    #expect(try cache.open(content.payload) == nil)
    #expect(try partial.bytes(1000, at: 0) == Array(content.bytes[..<1000]))
  }

  @Test("after another boot content is hashed once, and dropped where it was lost")
  func boots() throws {
    let (sound, lost) = (Content([1000]), Content([1000], seed: 2))
    let cache = try open()
    _ = try cache.store(try sound.chunk(0), as: sound.payload)
    _ = try cache.store(try lost.chunk(0), as: lost.payload)
    try damage(try path(lost), at: 5)
    // In the same boot the kernel has kept what was written: nothing is read again.
    #expect(try open().open(lost.payload) != nil)
    let later = try open(BootID(text: [2]))
    #expect(try later.open(sound.payload) != nil)
    #expect(try later.open(lost.payload) == nil)
    #expect(try !FileDescriptor.workingDirectory.exists(try path(lost)))
    // The other is known to be sound from here on.
    let status = try FileDescriptor.workingDirectory.status(of: try path(sound))
    #expect(try open(BootID(text: [2])).open(sound.payload) != nil)
    #expect(
      try FileDescriptor.workingDirectory.status(of: try path(sound)).modificationTime
        == status.modificationTime)
  }

  @Test("after another boot only the pieces that are sound count")
  func bootsOfPieces() throws {
    let content = Content([1000, 1000, 1000])
    do {
      let partial = try open().partial(content.payload)
      for number in 0..<2 { _ = try partial.write(try content.chunk(number), as: number) }
    }
    let folder = try FileDescriptor.workingDirectory.open(
      scratch.path.appending("partial"), [.readOnly, .directory])
    let name = try #require(
      try folder.view.entries().map(\.name).first { !$0.description.hasSuffix(".map") })
    try damage(scratch.path.appending("partial").appending(name), at: 1500)
    let partial = try open(BootID(text: [2])).partial(content.payload)
    #expect(partial.isPresent(0) && !partial.isPresent(1) && !partial.isPresent(2))
  }

  @Test("a map that is cut short or has a flipped byte loses pieces and makes none")
  func tornMap() throws {
    for place in [0, 9, 12, 20, 40, 64, 66, 68, 71] {
      let content = Content([1000, 1000], seed: place + 100)
      do {
        let partial = try open().partial(content.payload)
        _ = try partial.write(try content.chunk(0), as: 0)
      }
      let folder = try FileDescriptor.workingDirectory.open(
        scratch.path.appending("partial"), [.readOnly, .directory])
      let hex = try #require(content.payload.digest).hex
      let name = try #require(
        try folder.view.entries().map(\.name).first {
          $0.description.hasSuffix(".map") && $0.description.hasPrefix(hex)
        })
      try damage(scratch.path.appending("partial").appending(name), at: Int64(place))
      let partial = try open().partial(content.payload)
      #expect(!partial.isPresent(1), "\(place)")
      for number in 0..<2 where !partial.isPresent(number) {
        _ = try partial.write(try content.chunk(number), as: number)
      }
      #expect(try partial.complete().bytes(2000, at: 0) == content.bytes)
    }
  }

  @Test("eviction takes the cheap and the old first, and never what is in use")
  func eviction() throws {
    let cache = try open()
    let contents = (0..<4).map { Content([8192], seed: $0 * 3) }
    for content in contents { _ = try cache.store(try content.chunk(0), as: content.payload) }
    let ranks: [EvictionRank?] = [nil, .mounted, .unreferenced, .referenced]
    let keys = contents.map(\.payload.digest)
    func rank(_ key: SHA256Value) -> EvictionRank? {
      keys.firstIndex { $0 == key }.flatMap { ranks[$0] }
    }
    let kept = try cache.evict(limit: 1 << 30, age: nil, rank: rank)
    #expect(kept.removedFiles == 0 && kept.remainingBytes == 4 * 8192)
    let first = try cache.evict(limit: 3 * 8192, age: nil, rank: rank)
    #expect(
      [Int64(first.removedFiles), first.removedBytes, first.remainingBytes] == [1, 8192, 3 * 8192])
    #expect(try cache.open(contents[2].payload) == nil)
    #expect(try cache.evict(limit: 2 * 8192, age: nil, rank: rank).removedFiles == 1)
    #expect(try cache.open(contents[3].payload) == nil)
    let last = try cache.evict(limit: 0, age: nil, rank: rank)
    #expect(last.removedFiles == 1 && last.remainingBytes == 8192)
    #expect(try cache.open(contents[0].payload) != nil)
    let aged = try cache.evict(limit: nil, age: -1) { _ in .unreferenced }
    #expect(aged.removedFiles == 1)
  }

  @Test("a full disk is told as such, and the cache stays sound", .needsRoot)
  func full() throws {
    let mount = scratch.path.appending("small")
    try FileDescriptor.workingDirectory.makeDirectory(mount, mode: 0o700)
    let result = try runProgram(
      "mount", ["-t", "tmpfs", "-o", "size=64k", "none", mount.description])
    #expect(result.status == 0)
    defer { _ = try? runProgram("umount", [mount.description]) }
    let cache = try PayloadCache(
      try FileDescriptor.workingDirectory.open(mount, [.readOnly, .directory]), boot: boot)
    let large = Content([200_000])
    let error = #expect(throws: StreamError.self) {
      try cache.store(try large.chunk(0), as: large.payload)
    }
    #expect(error?.isFullDisk == true)
    #expect(try cache.open(large.payload) == nil)
    let partial = try cache.partial(Content([100_000, 100_000]).payload)
    let failure = #expect(throws: StreamError.self) {
      try partial.write(try Content([100_000, 100_000]).chunk(0), as: 0)
    }
    #expect(failure?.isFullDisk == true)
    #expect(!partial.isPresent(0))
  }

  // MARK: - Compressed extents

  @Test(
    "a chunk is made from the extent that an index names",
    arguments: [ChunkedForm.eStargz, .zstdChunked])
  func extents(form: ChunkedForm) throws {
    let plain = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 >> 3) }
    let sink = ArraySink()
    if form == .eStargz {
      let gzip = GzipSink(to: sink)
      try gzip.write(plain)
      try gzip.finish()
    } else {
      let zstd = ZstdSink(to: sink)
      try zstd.write(plain)
      try zstd.finish()
    }
    let part = Array(plain[1000..<150_000])
    let chunk = LayerChunk(
      fileOffset: 0, length: Int64(part.count),
      extent: BlobRange(offset: 0, length: Int64(sink.bytes.count)), innerOffset: 1000,
      digest: Digester.sha256(of: part.rawSpan))
    func verify(_ chunk: LayerChunk, _ extent: [UInt8]) throws -> [UInt8] {
      try VerifiedChunk(chunk, from: extent.rawSpan, form).bytes
    }
    #expect(try verify(chunk, sink.bytes) == part)
    // Whatever follows in the extent is not looked at.
    #expect(try verify(chunk, sink.bytes + [1, 2, 3]) == part)
    for wrong in [Array(sink.bytes.prefix(20)), [], [0x1f, 0x8b, 8, 0xff]] {
      #expect(throws: StreamError.self) { _ = try verify(chunk, wrong) }
    }
    var other = chunk
    other.innerOffset = 1001
    let error = #expect(throws: StreamError.self) { _ = try verify(other, sink.bytes) }
    #expect(error?.kind == .mismatch)
  }
}
