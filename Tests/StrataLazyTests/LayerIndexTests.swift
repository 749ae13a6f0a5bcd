import StrataArchive
import StrataDigest
import StrataLazy
import StrataModel
import StrataSystem
import StrataTestSupport
import Testing

/// Rows of a TOC, made briefly.
enum Row {
  static func digest(_ text: String) -> SHA256Value {
    Digester.sha256(of: Array(text.utf8).rawSpan)
  }

  static func make(
    _ kind: TOCEntry.Kind, _ name: String, _ change: (inout TOCEntry) -> Void = { _ in }
  )
    -> TOCEntry
  {
    var entry = TOCEntry()
    entry.kind = kind
    entry.name = Array(name.utf8)
    entry.mode = kind == .directory ? 0o755 : 0o644
    change(&entry)
    return entry
  }

  static func file(_ name: String, _ size: Int64 = 5, at offset: Int64 = 100) -> TOCEntry {
    make(.regular, name) {
      $0.size = size
      $0.offset = offset
      $0.digest = digest(name)
    }
  }

  static func link(_ name: String, to target: String, _ kind: TOCEntry.Kind = .hardLink) -> TOCEntry
  {
    make(kind, name) { $0.linkName = Array(target.utf8) }
  }

  static func piece(
    _ kind: TOCEntry.Kind, _ name: String, size: Int64 = 0, from start: Int64, _ length: Int64,
    at offset: Int64, digest: String? = "d"
  ) -> TOCEntry {
    make(kind, name) {
      $0.size = size
      $0.chunkOffset = start
      $0.chunkSize = length
      $0.offset = offset
      $0.chunkDigest = digest.map(Row.digest)
      if kind == .regular { $0.digest = Row.digest("whole") }
    }
  }
}

@Suite("The index of a layer")
struct LayerIndexTests {
  static func facts(_ form: ChunkedForm = .eStargz) -> LayerFacts {
    LayerFacts(
      form: form, tocDigest: Digest.ofNothing, blobDigest: nil, blobSize: 10_000,
      toc: BlobRange(offset: 9000, length: 900), plainSize: 77)
  }

  static func bytes(_ rows: [TOCEntry], _ form: ChunkedForm = .eStargz) throws -> [UInt8] {
    let file = try anonymousFile("index")
    let builder = LayerIndexBuilder(facts(form))
    for row in rows { try builder.add(row) }
    try builder.finish(to: file.view)
    return try file.view.bytes(Int(file.view.status().size), at: 0)
  }

  static func open(_ bytes: [UInt8], _ check: LayerIndex.Check = .everything) throws -> LayerIndex {
    let file = try anonymousFile("index")
    try file.view.writeAll(bytes)
    return try LayerIndex(file.view, checking: check)
  }

  static func index(_ rows: [TOCEntry], _ form: ChunkedForm = .eStargz) throws -> LayerIndex {
    try open(bytes(rows, form))
  }

  static func names(_ index: LayerIndex, _ directory: UInt32) -> [String] {
    (0..<(index.childCount(of: directory) ?? 0)).compactMap {
      index.child(at: $0, of: directory)?.name.description
    }
  }

  @Test("names, attributes, links and attributes come back")
  func contents() throws {
    let index = try Self.index([
      Row.make(.directory, "usr/") {
        $0.xattrs = [.init(name: Array("user.a".utf8), value: [1, 2])]
      },
      Row.file("usr/b"), Row.link("usr/a", to: "usr/b"),
      Row.link("usr/s", to: "../t", .symlink),
      Row.make(.blockDevice, "usr/d") {
        $0.deviceMajor = 8
        $0.deviceMinor = 1
      },
      Row.make(.regular, "deep/er/empty") {
        $0.modificationTime = .init(seconds: -3, nanoseconds: 4)
      },
      Row.make(.fifo, "./p"),
    ])
    #expect(Self.names(index, 0) == ["deep", "p", "usr"])
    let usr = try #require(index.lookup("usr", in: 0))
    #expect(Self.names(index, usr) == ["a", "b", "d", "s"])
    let file = try #require(index.lookup("b", in: usr))
    #expect(index.lookup("a", in: usr) == file)
    #expect(index.lookup("c", in: usr) == nil)
    #expect(index.lookup("x", in: file) == nil)
    let attributes = try #require(index.attributes(file))
    #expect(attributes.linkCount == 2)
    #expect(attributes.size == 5)
    #expect(index.attributes(usr)?.linkCount == 2)
    #expect(index.attributes(0)?.linkCount == 4)
    #expect(index.attributes(0)?.flags == .implied)
    #expect(index.xattrs(usr).map(\.value) == [[1, 2]])
    let symlink = try #require(index.lookup("s", in: usr))
    #expect(index.linkTarget(symlink) == "../t")
    let device = try #require(index.lookup("d", in: usr))
    #expect(index.attributes(device)?.device == DeviceNumber(major: 8, minor: 1))
    let deep = try #require(index.lookup("deep", in: 0).flatMap { index.lookup("er", in: $0) })
    #expect(index.attributes(deep)?.flags == .implied)
    #expect(index.attributes(deep)?.mode == 0o040755)
    let empty = try #require(index.lookup("empty", in: deep))
    #expect(index.attributes(empty)?.modificationTime == FileTime(seconds: -3, nanoseconds: 4))
    #expect(index.chunks(of: empty).isEmpty)
    #expect(index.payload(of: empty) == nil)
    #expect(index.payload(of: file)?.digest == Row.digest("usr/b"))
    #expect(index.header.fileCount == 2)
    #expect(index.header.payloadBytes == 5)
    #expect(index.header.facts.plainSize == 77)
    #expect(index.attributes(UInt32(index.entryCount)) == nil)
  }

  @Test("whiteouts, opaque directories, landmarks and names given twice")
  func marks() throws {
    let index = try Self.index([
      Row.file(".prefetch.landmark", 1, at: 400), Row.make(.directory, "a"),
      Row.make(.regular, "a/.wh..wh..opq"), Row.make(.regular, "a/.wh.gone"),
      Row.make(.regular, "a/.wh.kept"), Row.file("a/kept", 5, at: 150),
      Row.make(.regular, "a/.wh..wh.aufs"),
      Row.make(.directory, "a") { $0.uid = 9 }, Row.file("stargz.index.json", 5, at: 170),
      Row.file("twice", 5, at: 500), Row.file("twice", 7, at: 600),
      Row.file("was/file", 5, at: 160), Row.file("was", 3, at: 700),
    ])
    #expect(Self.names(index, 0) == ["a", "twice", "was"])
    let a = try #require(index.lookup("a", in: 0))
    #expect(Self.names(index, a) == ["gone", "kept"])
    #expect(index.attributes(a)?.flags == .opaque)
    #expect(index.attributes(a)?.uid == 9)
    let gone = try #require(index.lookup("gone", in: a).flatMap { index.attributes($0) })
    #expect(gone.flags == .whiteout)
    #expect(gone.mode == 0o020000)
    #expect(index.lookup("twice", in: 0).flatMap { index.attributes($0) }?.size == 7)
    #expect(index.lookup("was", in: 0).flatMap { index.attributes($0) }?.type == .regular)
    #expect(index.header.prefetchEnd == 400)
  }

  @Test("chunks of both forms, and where their extents end")
  func chunks() throws {
    // containers/storage up to 1.43: the first row's end is the whole file's.
    var first = Row.piece(.regular, "f", size: 10, from: 0, 4, at: 100)
    first.endOffset = 180
    var hole = Row.piece(.chunk, "f", from: 4, 3, at: 130)
    hole.isHole = true
    var lone = Row.file("g", 3, at: 200)
    lone.endOffset = 230
    let index = try Self.index(
      [first, hole, Row.piece(.chunk, "f", from: 7, 3, at: 140), lone], .zstdChunked)
    let file = try #require(index.lookup("f", in: 0))
    let chunks = index.chunks(of: file).compactMap(index.chunk)
    #expect(chunks.map(\.fileOffset) == [0, 4, 7])
    #expect(chunks.map(\.extent.offset) == [100, 0, 140])
    #expect(chunks.map(\.extent.length) == [40, 0, 40])
    #expect(chunks.map(\.isHole) == [false, true, false])
    #expect(index.chunk(of: file, holding: 6) == index.chunks(of: file).lowerBound + 1)
    #expect(index.chunk(of: file, holding: 10) == nil)
    #expect(index.payload(of: file)?.digest == Row.digest("whole"))
    let g = try #require(index.lookup("g", in: 0))
    #expect(
      index.chunks(of: g).compactMap(index.chunk).map(\.extent) == [
        BlobRange(offset: 200, length: 30)
      ])

    var inner = Row.file("b", 5, at: 100)
    inner.innerOffset = 512
    let stargz = try Self.index([Row.file("a", 5, at: 100), inner, Row.file("c", 5, at: 900)])
    let extents = ["a", "b", "c"].map { name in
      stargz.chunk(stargz.chunks(of: stargz.lookup(RawPath(name), in: 0) ?? 0).lowerBound)?.extent
    }
    #expect(extents.map(\.?.length) == [800, 800, 1029])
  }

  @Test("hostile tables of contents are refused", arguments: HostileTOC.all)
  func refused(toc: HostileTOC) throws {
    #expect(throws: StreamError.self) { try Self.bytes(toc.rows) }
  }

  @Test("attributes that steer overlays are left out")
  func steering() throws {
    let index = try Self.index([
      Row.make(.directory, "a") {
        $0.xattrs = ["trusted.overlay.opaque", "user.overlay.redirect", "user.fine"].map {
          TarHeader.Xattr(name: Array($0.utf8), value: [1])
        }
      }
    ])
    #expect(index.xattrs(1).map(\.name) == [Array("user.fine".utf8)])
  }

  @Test("the same rows give the same bytes")
  func stable() throws {
    let rows = (0..<500).map { Row.file("d\($0 % 7)/f\($0)", 5, at: Int64($0 * 10)) }
    #expect(try Self.bytes(rows) == Self.bytes(rows))
  }

  @Test("an index with a flipped byte or cut short is never taken, and no byte of it traps")
  func flipped() throws {
    let bytes = try Self.bytes([
      Row.make(.directory, "a") { $0.xattrs = [.init(name: [0x61], value: [1])] },
      Row.file("a/b", 5, at: 10), Row.link("a/s", to: "t", .symlink), Row.link("a/h", to: "a/b"),
      Row.piece(.regular, "f", size: 10, from: 0, 4, at: 50),
      Row.piece(.chunk, "f", from: 4, 6, at: 90),
    ])
    let sound = try Self.open(bytes)
    let ends = [sound.entryCount, sound.chunkCount]
    #expect(ends == [5, 3])
    for place in stride(from: 0, to: bytes.count, by: 3) {
      var wrong = bytes
      wrong[place] ^= 0x41
      let isPadding = try Self.padding(bytes).contains(place)
      if !isPadding {
        #expect(throws: StreamError.self, "\(place)") { try Self.open(wrong, .checksums) }
      }
      // Sections unchecked: a wrong answer at worst.
      if let index = try? Self.open(wrong, .header) { Self.readAll(index) }
    }
    for count in [0, 8, 4095, 4096, bytes.count - 64] {
      #expect(throws: StreamError.self) { try Self.open(Array(bytes.prefix(count)), .checksums) }
    }
  }

  /// Bytes between the sections, which no checksum covers.
  static func padding(_ bytes: [UInt8]) throws -> Set<Int> {
    var covered = Set(0..<4096)
    for number in 0..<7 {
      let place = 512 + 56 * number
      func value(_ start: Int) -> Int {
        (0..<8).reduce(0) { $0 | Int(bytes[start + $1]) << (8 * $1) }
      }
      covered.formUnion(value(place + 8)..<(value(place + 8) + value(place + 16)))
    }
    return Set(bytes.indices).subtracting(covered)
  }

  static func readAll(_ index: LayerIndex) {
    for entry in 0..<UInt32(min(index.entryCount, 64)) {
      _ = index.attributes(entry)
      _ = index.xattrs(entry)
      _ = index.linkTarget(entry)
      _ = index.payload(of: entry)
      _ = index.chunk(of: entry, holding: 3)
      _ = index.lookup("b", in: entry)
      for position in 0..<min(index.childCount(of: entry) ?? 0, 64) {
        _ = index.child(at: position, of: entry)
      }
    }
  }
}
