import StrataArchive
import StrataCompression
import StrataDigest
import StrataLazy
import StrataModel
import StrataSystem
import Testing

@Suite("Layers written in lazy forms, read back by the index")
struct ChunkedWriterTests {
  /// Files of all sizes, links, marks, odd names, and no end of the archive where it is not wanted.
  static func tar(ended: Bool = true) throws -> (bytes: [UInt8], files: [String: [UInt8]]) {
    let sink = ArraySink()
    let writer = TarWriter(sink)
    var files: [String: [UInt8]] = [:]
    try writer.append(TarHeader(name: "./", type: .directory, mode: 0o755))
    try writer.append(TarHeader(name: "usr/", type: .directory, mode: 0o755))
    var seed: UInt32 = 7
    for size in [0, 1, 511, 512, 16_384, 70_000, 1 << 20, 3_000_001] {
      let bytes = (0..<size).map { index -> UInt8 in
        seed = seed &* 1_664_525 &+ 1_013_904_223
        return index % 3000 < 1500 ? UInt8(truncatingIfNeeded: seed >> 24) : 0
      }
      files["usr/f\(size)"] = bytes
      var header = TarHeader(name: "usr/f\(size)", size: Int64(size), mode: 0o4755)
      header.modificationTime = TarHeader.Time(seconds: 1_700_000_000, nanoseconds: 5)
      header.xattrs = [TarHeader.Xattr(name: Array("user.n".utf8), value: [0, 255])]
      header.uid = 12
      try writer.append(header, bytes: bytes)
    }
    try writer.append(
      TarHeader(name: "usr/hard", type: .hardLink, linkName: Array("usr/f512".utf8)))
    try writer.append(TarHeader(name: "usr/soft", type: .symlink, linkName: Array("f512".utf8)))
    try writer.append(TarHeader(name: "usr/.wh.gone"), bytes: [])
    for number in 0..<3000 {
      let name = "many/\(number)-" + String(repeating: "n", count: number % 120)
      files[name] = Array("\(number)".utf8)
      try writer.append(
        TarHeader(name: name, size: Int64(files[name]?.count ?? 0)), bytes: files[name] ?? [])
    }
    if ended {
      try writer.finish()
      try sink.write([UInt8](repeating: 0, count: 8192))
    }
    return (sink.bytes, files)
  }

  static func plain(_ blob: [UInt8]) throws -> [UInt8] {
    try DecompressingSource(ArraySource(blob)).readToEnd(limit: 1 << 30)
  }

  @Test(
    "every file comes back by its chunks alone, and the tar is what it was",
    arguments: [ChunkedForm.eStargz, .zstdChunked], [1, 3])
  func roundTrip(form: ChunkedForm, threads: Int) throws {
    let (tar, files) = try Self.tar()
    let sink = ArraySink()
    let layer = try writeChunkedLayer(ArraySource(tar), form, to: sink, threads: threads)
    let blob = sink.bytes
    let plain = try Self.plain(blob)
    #expect(layer.diffID == Digester.digest(of: plain))
    #expect(layer.plainSize == Int64(plain.count))
    switch form {
    case .zstdChunked: #expect(plain == tar)
    case .eStargz:
      // The end of the archive, here 9216 bytes, stands behind the TOC instead.
      #expect(plain.starts(with: tar.dropLast(9216)))
      #expect(plain.count < tar.count + 4_000_000)
    }
    let annotations = try #require(try ChunkedAnnotations(layer.annotations))
    #expect(annotations.tocDigest == layer.tocDigest)
    #expect(annotations.uncompressedSize == layer.plainSize)
    let location = try #require(
      try TOCLocation(
        tail: Array(blob.suffix(TOCLocation.tailLength)), blobSize: Int64(blob.count)))
    if let place = try annotations.location(blobSize: Int64(blob.count)) {
      #expect(place == location)
    }
    let index = try Self.index(blob, location, layer)
    for (name, bytes) in files {
      let entry = try #require(Self.find(name, in: index), "\(name)")
      #expect(index.attributes(entry)?.size == Int64(bytes.count))
      var read: [UInt8] = []
      for number in index.chunks(of: entry) {
        let chunk = try #require(index.chunk(number))
        let extent = Array(blob[Int(chunk.extent.offset)..<Int(chunk.extent.end)])
        read += try VerifiedChunk(chunk, from: extent.rawSpan, form).bytes
      }
      #expect(read == bytes, "\(name)")
    }
    let hard = try #require(Self.find("usr/hard", in: index))
    #expect(index.attributes(hard)?.linkCount == 2)
    #expect(index.attributes(hard)?.uid == 12)
    #expect(index.attributes(hard)?.mode == 0o104755)
    #expect(index.xattrs(hard).map(\.value) == [[0, 255]])
    let gone = try #require(Self.find("usr/gone", in: index))
    #expect(index.attributes(gone)?.flags == .whiteout)
  }

  static func index(_ blob: [UInt8], _ location: TOCLocation, _ layer: ChunkedLayer) throws
    -> LayerIndex
  {
    let toc = Array(blob[Int(location.toc.offset)..<Int(location.toc.end)])
    let reader = try TOCReader(ArraySource(toc), form: location.form, digest: layer.tocDigest)
    let file = try anonymousFile("index")
    try LayerIndexBuilder.build(
      from: reader,
      LayerFacts(
        form: location.form, tocDigest: layer.tocDigest, blobDigest: nil,
        blobSize: Int64(blob.count), toc: location.toc), to: file.view)
    if let place = location.tarSplit {
      let bytes = Array(blob[Int(place.offset)..<Int(place.end)])
      #expect(Digester.digest(of: bytes) == reader.tarSplitDigest)
    }
    return try LayerIndex(file.view, checking: .everything)
  }

  static func find(_ name: String, in index: LayerIndex) -> UInt32? {
    name.split(separator: "/").reduce(LayerIndex.root as UInt32?) { directory, part in
      directory.flatMap { index.lookup(RawPath(String(part)), in: $0) }
    }
  }

  @Test("the bytes do not depend on the number of threads")
  func stable() throws {
    let (tar, _) = try Self.tar()
    for form in [ChunkedForm.eStargz, .zstdChunked] {
      let blobs = try [1, 2, 4].map { threads in
        let sink = ArraySink()
        _ = try writeChunkedLayer(ArraySource(tar), form, to: sink, threads: threads)
        return sink.bytes
      }
      #expect(blobs[0] == blobs[1] && blobs[1] == blobs[2])
    }
  }

  @Test("an archive without an end, and an empty one")
  func ends() throws {
    let (tar, _) = try Self.tar(ended: false)
    for tar in [tar, [UInt8](repeating: 0, count: 1024), []] {
      for form in [ChunkedForm.eStargz, .zstdChunked] {
        let sink = ArraySink()
        let layer = try writeChunkedLayer(ArraySource(tar), form, to: sink)
        let plain = try Self.plain(sink.bytes)
        #expect(layer.diffID == Digester.digest(of: plain))
        if form == .zstdChunked { #expect(plain == tar) }
      }
    }
  }

  @Test("what a TOC cannot say is refused by name")
  func refused() throws {
    var odd = TarHeader(name: "odd")
    odd.type = TarHeader.EntryType(rawValue: UInt8(ascii: "7"))
    let raw = TarHeader(name: [0x6e, 0xff], type: .regular)
    for header in [odd, raw] {
      let sink = ArraySink()
      let writer = TarWriter(sink)
      try writer.append(header)
      try writer.finish()
      for form in [ChunkedForm.eStargz, .zstdChunked] {
        let error = #expect(throws: StreamError.self) {
          try writeChunkedLayer(ArraySource(sink.bytes), form, to: ArraySink())
        }
        #expect(error?.kind == .unsupported)
        #expect(error?.message.contains(header.displayName) == true)
      }
    }
  }
}
