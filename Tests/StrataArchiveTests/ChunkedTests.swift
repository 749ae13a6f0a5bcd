import StrataArchive
import StrataCompression
import StrataDigest
import StrataModel
import StrataSystem
import Testing

@Suite("Footers, annotations and tables of contents of seekable layers")
struct ChunkedTests {
  static func little(_ numbers: [UInt64]) -> [UInt8] {
    numbers.flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
  }

  static func frame(_ data: [UInt8]) -> [UInt8] {
    [0x50, 0x2a, 0x4d, 0x18, UInt8(data.count), 0, 0, 0] + data
  }

  static func eStargz(_ offset: String, legacy: Bool = false) -> [UInt8] {
    let field = (legacy ? [] : [0x53, 0x47, 22, 0]) + Array((offset + "STARGZ").utf8)
    return [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, UInt8(field.count), 0] + field
      + [1, 0, 0, 0xff, 0xff] + [UInt8](repeating: 0, count: 8)
  }

  @Test("each footer of zstd:chunked, with both magics", arguments: ["GNUlInUx", "GnUlInUx"])
  func zstdFooters(magic: String) throws {
    let magic = Array(magic.utf8)
    let four: [UInt64] = [1000, 200, 900, 1]
    let short = try #require(
      try TOCLocation(tail: Self.frame(Self.little(four) + magic), blobSize: 2000))
    #expect(short.toc == BlobRange(offset: 1000, length: 200))
    #expect(short.plainLength == 900)
    #expect(short.tarSplit == nil)
    let middle = try TOCLocation(
      tail: Self.frame(Self.little(four) + magic + Self.little([0, 0])), blobSize: 2000)
    #expect(middle == short)
    let long = try #require(
      try TOCLocation(
        tail: Self.frame(Self.little(four + [1300, 50, 80]) + magic), blobSize: 2000))
    #expect(long.toc == short.toc)
    #expect(long.tarSplit == BlobRange(offset: 1300, length: 50))
    #expect(long.plainTarSplitLength == 80)
  }

  @Test("both footers of eStargz, and none")
  func eStargzFooters() throws {
    for isLegacy in [false, true] {
      let footer = Self.eStargz("00000000000003e8", legacy: isLegacy)
      #expect(footer.count == (isLegacy ? 47 : 51))
      let tail = [UInt8](repeating: 7, count: 72 - footer.count) + footer
      let location = try #require(try TOCLocation(tail: tail, blobSize: 2000))
      #expect(location.form == .eStargz)
      #expect(location.toc == BlobRange(offset: 1000, length: 1000 - Int64(footer.count)))
    }
    #expect(try TOCLocation(tail: [UInt8](repeating: 0, count: 72), blobSize: 2000) == nil)
    #expect(try TOCLocation(tail: [], blobSize: 0) == nil)
  }

  @Test("footers that point outside are refused")
  func wrongFooters() {
    let magic = Array("GNUlInUx".utf8)
    let wrong: [[UInt64]] = [
      [1000, 200, 900, 2], [3000, 200, 900, 1], [1000, 2000, 900, 1], [1000, 0, 900, 1],
      [UInt64.max, 200, 900, 1], [1000, UInt64.max, 900, 1], [1000, 200, 1 << 40, 1],
    ]
    for fields in wrong {
      #expect(throws: StreamError.self, "\(fields)") {
        try TOCLocation(tail: Self.frame(Self.little(fields) + magic), blobSize: 2000)
      }
    }
    #expect(throws: StreamError.self) {
      try TOCLocation(
        tail: Self.frame(Self.little([1000, 200, 900, 1, 1990, 50, 80]) + magic), blobSize: 2000)
    }
    for offset in ["00000000000fffff", "ffffffffffffffff", "-000000000000001", "zz00000000000001"] {
      #expect(throws: StreamError.self, "\(offset)") {
        try TOCLocation(tail: Self.eStargz(offset), blobSize: 2000)
      }
    }
  }

  @Test("annotations in both spellings, and both forms at once are refused")
  func annotations() throws {
    let digest = Digest.ofNothing.description
    for prefix in ChunkedAnnotations.zstdPrefixes {
      let found = try #require(
        try ChunkedAnnotations([
          prefix + "manifest-checksum": digest, prefix + "manifest-position": "1000:200:900:1",
          prefix + "tarsplit-position": "1300:50:80",
        ]))
      #expect(found.form == .zstdChunked)
      let location = try #require(try found.location(blobSize: 2000))
      #expect(location.toc == BlobRange(offset: 1000, length: 200))
      #expect(location.tarSplit == BlobRange(offset: 1300, length: 50))
    }
    let stargz = try #require(
      try ChunkedAnnotations([
        ChunkedAnnotations.eStargzDigest: digest, ChunkedAnnotations.eStargzSize: "77",
      ]))
    #expect(stargz.form == .eStargz)
    #expect(stargz.uncompressedSize == 77)
    #expect(try stargz.location(blobSize: 2000) == nil)
    #expect(try ChunkedAnnotations(["a": "b"]) == nil)
    #expect(throws: StreamError.self) {
      try ChunkedAnnotations([
        ChunkedAnnotations.eStargzDigest: digest,
        ChunkedAnnotations.zstdPrefixes[0] + "manifest-checksum": digest,
      ])
    }
    #expect(throws: StreamError.self) {
      try ChunkedAnnotations([ChunkedAnnotations.eStargzDigest: "sha256:12"])
    }
    // stargz-snapshotter's converter gives the older name and eStargz's: two digests of one TOC.
    let converted = try #require(
      try ChunkedAnnotations([
        ChunkedAnnotations.eStargzDigest: "sha256:" + String(repeating: "1", count: 64),
        ChunkedAnnotations.zstdPrefixes[1] + "manifest-checksum": digest,
      ]))
    #expect(converted.form == .zstdChunked)
    #expect(converted.tocDigest.description == digest)
    #expect(converted.plainTOCDigest?.hex.first == "1")
    let wrong = try #require(
      try ChunkedAnnotations([
        ChunkedAnnotations.zstdPrefixes[1] + "manifest-checksum": digest,
        ChunkedAnnotations.zstdPrefixes[1] + "manifest-position": "1:2:3",
      ]))
    #expect(throws: StreamError.self) { try wrong.location(blobSize: 2000) }
  }

  // MARK: - Tables of contents

  static let json = """
    {"version": 1, "tarSplitDigest": "\(Digest.ofNothing)", "other": {"a": [1, {"b": "}"}]},
     "entries": [
      {"name": "a/", "type": "dir", "mode": 16877, "uid": 5, "gid": 6, "xattrs": {"user.a": "aGk="},
       "modtime": "2026-01-02T03:04:05Z", "strange": [1, "]"]},
      {"NAME": "a/\\u00e9\\"}", "Type": "reg", "size": 3, "digest": "\(Digest.ofNothing)",
       "offset": 10, "endOffset": 20, "innerOffset": 4, "chunkSize": 2, "linkName": null},
      {"name": "a/\\u00e9\\"}", "type": "chunk", "offset": 30, "chunkOffset": 2,
       "chunkDigest": "\(Digest.ofNothing)", "chunkType": "zeros"}
    ]}

    """

  static func compressed(_ json: [UInt8], _ form: ChunkedForm) throws -> [UInt8] {
    let sink = ArraySink()
    switch form {
    case .zstdChunked:
      let zstd = ZstdSink(to: sink)
      try zstd.write(json)
      try zstd.finish()
    case .eStargz:
      let gzip = GzipSink(to: sink)
      let tar = TarWriter(gzip)
      try tar.append(TarHeader(name: "stargz.index.json"), bytes: json)
      try tar.finish()
      try gzip.finish()
    }
    return sink.bytes
  }

  static func entries(_ bytes: [UInt8], _ form: ChunkedForm, _ digest: Digest? = nil) throws
    -> [TOCEntry]
  {
    let reader = try TOCReader(ArraySource(bytes), form: form, digest: digest)
    var result: [TOCEntry] = []
    while let entry = try reader.next() { result.append(entry) }
    return result
  }

  @Test("rows in both forms, with the digest of what each form digests")
  func rows() throws {
    let json = Array(Self.json.utf8)
    for form in [ChunkedForm.eStargz, .zstdChunked] {
      let bytes = try Self.compressed(json, form)
      let digest = Digester.digest(of: form == .eStargz ? json : bytes)
      let entries = try Self.entries(bytes, form, digest)
      #expect(entries.map(\.kind) == [.directory, .regular, .chunk])
      #expect(
        entries[0].xattrs == [TarHeader.Xattr(name: Array("user.a".utf8), value: [0x68, 0x69])])
      #expect(entries[0].modificationTime.seconds == 1_767_323_045)
      #expect(entries[0].uid == 5)
      #expect(entries[1].displayName == "a/é\"}")
      #expect(entries[1].innerOffset == 4)
      #expect(entries[1].endOffset == 20)
      #expect(entries[2].isHole)
      let other = Digester.digest(of: [1])
      #expect(throws: StreamError.self) { try Self.entries(bytes, form, other) }
      guard form == .zstdChunked else { continue }
      for plain in [Digester.digest(of: json), other] {
        let reader = try TOCReader(
          ArraySource(bytes), form: form, digest: digest, plainDigest: plain)
        if plain == other {
          #expect(throws: StreamError.self) { while try reader.next() != nil {} }
        } else {
          while try reader.next() != nil {}
        }
      }
    }
  }

  @Test(
    "what is no table of contents is refused",
    arguments: [
      "", "[]", "{", #"{"version":1,"entries":[{"name":"a"}]}"#,
      #"{"version":2,"entries":[]}"#, #"{"entries":[]}"#,
      #"{"version":1,"entries":[{"name":"a","type":"reg"},]}"#,
      #"{"version":1,"entries":[{"name":"a","type":"reg"}"#,
      #"{"version":1,"entries":[]} x"#, #"{"version":1,"entries":[],"entries":[]}"#,
      #"{"version":1,"entries":[{"name":"a","type":"what"}]}"#,
      #"{"version":1,"entries":[{"name":"a","type":"reg","size":-1}]}"#,
      #"{"version":1,"entries":[{"name":"a","type":"reg","size":99999999999999999999}]}"#,
      #"{"version":1,"entries":[{"name":"a","type":"reg","digest":"md5:12"}]}"#,
      #"{"version":1,"entries":[{"name":"a","type":"reg","xattrs":{"a":"%"}}]}"#,
      #"{"version":1,"entries":{"name":"a"}}"#,
    ])
  func malformed(json: String) throws {
    for form in [ChunkedForm.eStargz, .zstdChunked] {
      let bytes = try Self.compressed(Array(json.utf8), form)
      #expect(throws: StreamError.self) { try Self.entries(bytes, form) }
    }
  }

  @Test("bounds: nesting, a row's length, another compression")
  func bounds() throws {
    let deep = #"{"version":1,"a":"# + String(repeating: "[", count: 40)
    let long =
      #"{"version":1,"entries":[{"type":"reg","name":""# + String(repeating: "a", count: 2 << 20)
    for text in [deep, long] {
      let bytes = try Self.compressed(Array(text.utf8), .zstdChunked)
      let error = #expect(throws: StreamError.self) { try Self.entries(bytes, .zstdChunked) }
      #expect(error?.kind == .limit)
    }
    let bytes = try Self.compressed(Array(Self.json.utf8), .zstdChunked)
    #expect(throws: StreamError.self) { try Self.entries(bytes, .eStargz) }
    #expect(throws: StreamError.self) { try Self.entries(Array(bytes.dropLast(3)), .zstdChunked) }
  }

  @Test("a TOC of more than 150 MiB is refused, in little memory")
  func large() throws {
    let sink = ArraySink()
    let zstd = ZstdSink(to: sink)
    try zstd.write(Array(#"{"version":1,"entries":["#.utf8))
    let row = String(repeating: #"{"type":"reg","name":"aaaaaaaa"},"#, count: 32_768)
    for _ in 0..<160 { try zstd.write(Array(row.utf8)) }
    try zstd.finish()
    let reader = try TOCReader(ArraySource(sink.bytes), form: .zstdChunked, digest: nil)
    let error = #expect(throws: StreamError.self) { while try reader.next() != nil {} }
    #expect(error?.kind == .limit)
  }
}
