import StrataArchive
import StrataCompression
import StrataDigest
import StrataLazy
import StrataModel
import StrataSystem

/// A blob's last bytes: a footer never points outside of the blob.
func fuzzFooter(_ input: [UInt8]) {
  guard input.count > 8 else { return }
  let blobSize = input[..<6].reduce(Int64(0)) { $0 << 8 | Int64($1) }
  let tail = Array(input[6...].suffix(TOCLocation.tailLength))
  check(try? TOCLocation(tail: tail, blobSize: blobSize), blobSize)
  let text = String(decoding: input[6...], as: UTF8.self)
  for prefix in ChunkedAnnotations.zstdPrefixes {
    let annotations = [
      prefix + "manifest-checksum": Digest.ofNothing.description,
      prefix + "manifest-position": text, prefix + "tarsplit-position": text,
    ]
    guard let found = try? ChunkedAnnotations(annotations) else {
      contradiction("annotations that are none")
    }
    check(try? found.location(blobSize: blobSize), blobSize)
  }
}

private func check(_ location: TOCLocation?, _ blobSize: Int64) {
  guard let location else { return }
  for range in [location.toc, location.tarSplit].compactMap({ $0 }) {
    if range.offset < 0 || range.length <= 0 || range.length > Int64(TOCLimit.bytes)
      || range.offset > blobSize - range.length
    {
      contradiction("\(range) in a blob of \(blobSize)")
    }
  }
}

/// The JSON of a TOC in both forms: what gives an index gives one that any reader takes.
func fuzzTOC(_ input: [UInt8]) {
  guard let first = input.first else { return }
  let form = first & 1 == 0 ? ChunkedForm.eStargz : .zstdChunked
  guard let bytes = index(Array(input.dropFirst()), form) else { return }
  do {
    let file = try anonymousFile("index")
    try file.view.writeAll(bytes)
    readAll(try LayerIndex(file.view, checking: .everything))
  } catch { contradiction("an index of our own: \(error)") }
}

/// An index with wrong bytes and right checksums: taken or refused, and read without a trap.
///
/// The input is the number of changes, each a place (3 bytes) and what is added there, then a TOC.
func fuzzIndex(_ input: [UInt8]) {
  guard let count = input.first.map({ Int($0 & 15) }), input.count > 1 + 4 * count,
    var bytes = index(Array(input.dropFirst(1 + 4 * count)), .eStargz)
  else { return }
  for number in 0..<count {
    let change = input[(1 + 4 * number)..<(5 + 4 * number)]
    let place = change.dropLast().reduce(0) { $0 << 8 | Int($1) } % bytes.count
    bytes[place] &+= change.last ?? 0
  }
  do {
    let file = try anonymousFile("index")
    try file.view.writeAll(withChecksums(bytes))
    for check in [LayerIndex.Check.everything, .header] {
      if let index = try? LayerIndex(file.view, checking: check) { readAll(index) }
    }
  } catch { contradiction("\(error)") }
}

/// The index that a TOC gives; nil where it is refused.
private func index(_ json: [UInt8], _ form: ChunkedForm) -> [UInt8]? {
  do {
    let facts = LayerFacts(
      form: form, tocDigest: .ofNothing, blobDigest: nil, blobSize: 1 << 40,
      toc: BlobRange(offset: 1 << 39, length: 1000))
    let reader = try TOCReader(ArraySource(compressed(json, form)), form: form, digest: nil)
    let file = try anonymousFile("index")
    try LayerIndexBuilder.build(from: reader, facts, to: file.view)
    return try file.view.bytes(Int(file.view.status().size), at: 0)
  } catch { return nil }
}

/// Without work for the fuzzer: a stored zstd block (RFC 8878, 3.1.1), or a tar in a gzip member.
private func compressed(_ json: [UInt8], _ form: ChunkedForm) throws -> [UInt8] {
  if form == .zstdChunked {
    let header = UInt32(json.count) << 3 | 1
    return [0x28, 0xb5, 0x2f, 0xfd, 0, 0x58]
      + (0..<3).map { UInt8(truncatingIfNeeded: header >> (8 * $0)) } + json
  }
  let sink = ArraySink()
  let gzip = GzipSink(to: sink)
  let tar = TarWriter(gzip)
  try tar.append(TarHeader(name: "stargz.index.json"), bytes: json)
  try tar.finish()
  try gzip.finish()
  return sink.bytes
}

/// An index whose checksums are those of its bytes, sections first.
private func withChecksums(_ index: [UInt8]) -> [UInt8] {
  var bytes = index
  func number(_ place: Int) -> Int {
    (0..<8).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) } & Int.max
  }
  for section in 0..<IndexLayout.sectionLimit {
    let place = IndexLayout.sectionTable + section * IndexLayout.sectionRecordSize
    let (start, length) = (number(place + 8), number(place + 16))
    guard start < bytes.count, length <= bytes.count - start else { continue }
    let digest = Digester.digest(of: Array(bytes[start..<(start + length)]))
    bytes.replaceSubrange((place + 24)..<(place + 56), with: SHA256Value(digest)?.bytes ?? [])
  }
  let header = Array(bytes[..<(IndexLayout.headerSize - 32)])
  bytes.replaceSubrange(
    (IndexLayout.headerSize - 32)..<IndexLayout.headerSize,
    with: Digester.sha256(of: header.rawSpan).bytes)
  return bytes
}

/// Everything that can be asked of an index.
private func readAll(_ index: LayerIndex) {
  let count = UInt32(clamping: min(index.entryCount, 10_000))
  for entry in 0..<count {
    _ = index.attributes(entry)
    _ = index.xattrs(entry)
    _ = index.linkTarget(entry)
    _ = index.payload(of: entry)
    _ = index.chunk(of: entry, holding: 7)
    for position in 0..<min(index.childCount(of: entry) ?? 0, 100) {
      guard let child = index.child(at: position, of: entry) else { continue }
      _ = index.lookup(child.name, in: entry)
    }
  }
}
