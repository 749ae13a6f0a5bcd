import StrataCompression
import StrataDigest
package import StrataModel
package import StrataSystem

/// What a layer has become in a form that can be read lazily.
package struct ChunkedLayer: Sendable {
  /// Of the plain tar in the blob: the layer's diff ID.
  ///
  /// The tar as it came for zstd:chunked; for eStargz it ends with the TOC's entry, so it is another.
  package var diffID: Digest
  package var plainSize: Int64
  /// Of what the form digests.
  package var tocDigest: Digest
  /// What the layer's descriptor in a manifest must say, for both spellings of zstd:chunked's names.
  package var annotations: [String: String]
}

/// Writes the plain tar of a layer as a blob that can be read lazily, compressed on `threads` threads.
///
/// Each chunk of a file is a member or frame of its own, of at most 1 MiB; those of zstd:chunked are cut by
/// content. eStargz: stargz-snapshotter docs/estargz.md; the tar's end is moved behind the TOC's entry.
/// zstd:chunked: containers/storage pkg/chunked, the dialect of 1.54 and later with tar-split. Memory: two
/// blocks a thread, and the TOC and tar-split compressed. `unsupported` for sparse entries, entries of
/// types that a TOC has no word for, and names that are not UTF-8; the error names the entry.
package func writeChunkedLayer(
  _ tar: any ByteSource, _ form: ChunkedForm, to sink: any ByteSink,
  threads: Int = OrderedWorkers.preferredCount
) throws(StreamError) -> ChunkedLayer {
  let writer = try ChunkedWriter(form, to: sink, threads)
  return try writer.write(tar)
}

final class ChunkedWriter: TarRecorder {
  private let form: ChunkedForm
  private let frames: FrameQueue
  private let toc: TOCText
  private let tarSplit: TarSplitWriter?
  private let tarSplitText: CompressedText
  /// Headers and padding that are in no frame yet.
  private var gap: [UInt8] = []
  private var plain = Digester()
  private var plainSize: Int64 = 0
  private let block = ByteBuffer(capacity: FrameQueue.blockSize)

  init(_ form: ChunkedForm, to sink: any ByteSink, _ threads: Int) throws(StreamError) {
    self.form = form
    toc = try TOCText(form)
    frames = try FrameQueue(form, to: sink, toc, threads)
    tarSplitText = CompressedText()
    tarSplit = form == .zstdChunked ? TarSplitWriter(plainTo: tarSplitText) : nil
  }

  func segment(_ bytes: RawSpan) throws(StreamError) {
    gap.append(bytes)
    try tarSplit?.segment(bytes)
  }

  func segment(_ bytes: [UInt8]) throws(StreamError) {
    gap.append(contentsOf: bytes)
    try tarSplit?.segment(bytes)
  }

  func write(_ tar: any ByteSource) throws(StreamError) -> ChunkedLayer {
    let reader = TarReader(tar, recorder: self)
    var keptEnd = 0
    while let header = try reader.next() {
      if gap.count >= FrameQueue.blockSize { try flushGap() }
      let padding = tarPadding(reader.remaining)
      try add(header, reader)
      // What the archive's end may add to: the padding of this entry and no more.
      keptEnd = gap.count + padding
    }
    switch form {
    case .zstdChunked: try reader.drain()
    case .eStargz: gap.removeLast(max(0, gap.count - keptEnd))
    }
    try flushGap()
    try frames.finish()
    return form == .eStargz ? try endEStargz() : try endZstd()
  }

  // MARK: - Entries

  private func add(_ header: TarHeader, _ reader: TarReader) throws(StreamError) {
    // A global header describes no file.
    if header.type == .globalHeader { return }
    guard let kind = TOCText.kind(of: header.type), reader.sparse == nil else {
      throw StreamError(
        .unsupported,
        "\(header.displayName): an entry of type '\(Character(Unicode.Scalar(header.type.rawValue)))'"
          + "\(reader.sparse == nil ? "" : ", sparse,") has no place in this form of layer")
    }
    for name in [header.name, header.linkName] where String(validating: name, as: UTF8.self) == nil
    {
      throw StreamError(
        .unsupported, "\(header.displayName): a name that is not UTF-8 has no place in a TOC")
    }
    let group = FrameGroup(header, kind)
    frames.open(group)
    var checksum = CRC64()
    var size: Int64 = 0
    if kind == .regular, header.size > 0 {
      try flushGap()
      size = header.size
      var digester = Digester()
      var cutter = ChunkCutter()
      try reader.pieces { (_, piece) throws(StreamError) in
        digester.update(piece)
        plain.update(piece)
        checksum.update(piece)
        try cut(piece, &cutter, group)
      }
      try give(to: group)
      plainSize += size
      group.digest = digester.sha256()
    }
    try frames.close(group)
    try tarSplit?.file(name: header.name, size: size, checksum: checksum.value)
  }

  /// Puts bytes of a body into blocks.
  private func cut(_ piece: RawSpan, _ cutter: inout ChunkCutter, _ group: FrameGroup)
    throws(StreamError)
  {
    var rest = piece
    while rest.byteCount > 0 {
      let room = block.capacity - block.count
      let part = rest.extracting(first: min(room, rest.byteCount))
      let (count, isCut) = form == .zstdChunked ? cutter.take(part) : (part.byteCount, false)
      block.append(part.extracting(first: count))
      rest = rest.extracting(droppingFirst: count)
      if isCut || block.count == block.capacity { try give(to: group) }
    }
  }

  private func give(to group: FrameGroup?) throws(StreamError) {
    if block.count == 0 { return }
    try block.withBytes { (bytes) throws(StreamError) in try frames.give(bytes, to: group) }
    block.clear()
  }

  private func flushGap() throws(StreamError) {
    let bytes = gap
    gap.removeAll(keepingCapacity: gap.count < FrameQueue.blockSize)
    plain.update(bytes.rawSpan)
    plainSize += Int64(bytes.count)
    var start = 0
    while start < bytes.count {
      let end = min(bytes.count, start + block.capacity)
      block.clear()
      block.append(bytes.rawSpan.extracting(start..<end))
      try give(to: nil)
      start = end
    }
  }

  // MARK: - Ends

  private func endEStargz() throws(StreamError) -> ChunkedLayer {
    let (json, _) = try toc.finish(tarSplit: nil)
    guard let length = json.plainCount else { throw StreamError(.limit, "TOC: too large") }
    let jsonDigest = DigestingSource(try DecompressingSource(ArraySource(json.bytes)))
    let tarDigest = PlainTee(&plain)
    let offset = frames.position
    let gzip = GzipSink(to: frames)
    tarDigest.sink = gzip
    let tar = TarWriter(tarDigest)
    try tar.append(
      TarHeader(
        name: TOCReader.eStargzName, size: length, mode: 0o444,
        modificationTime: TarHeader.Time(seconds: 0)), body: jsonDigest)
    try tar.finish()
    try gzip.finish()
    plain = tarDigest.digester
    plainSize += tarDigest.count
    let digits = String(UInt64(offset), radix: 16)
    let field =
      Array("SG".utf8) + [22, 0]
      + Array((String(repeating: "0", count: 16 - digits.count) + digits + "STARGZ").utf8)
    try frames.write(
      [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 26, 0] + field + [1, 0, 0, 0xff, 0xff]
        + [UInt8](repeating: 0, count: 8))
    let digest = jsonDigest.digest()
    return ChunkedLayer(
      diffID: plain.digest(), plainSize: plainSize, tocDigest: digest,
      annotations: [
        ChunkedAnnotations.eStargzDigest: digest.description,
        ChunkedAnnotations.eStargzSize: String(plainSize),
      ])
  }

  private func endZstd() throws(StreamError) -> ChunkedLayer {
    // A blob without content is told to be zstd by its first bytes all the same: an empty frame.
    if frames.position == 0 { try frames.write([0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0]) }
    try tarSplit?.finish()
    let split = try tarSplitText.finish()
    let splitDigest = Digester.digest(of: split.bytes)
    let (json, tocDigest) = try toc.finish(tarSplit: splitDigest)
    var places: [UInt64] = []
    for (text, type) in [(json, true), (split, false)] {
      guard let plainCount = text.plainCount else { throw StreamError(.limit, "TOC: too large") }
      try frames.write(SkippableFrame.header(text.bytes.count))
      places += [UInt64(frames.position), UInt64(text.bytes.count), UInt64(plainCount)]
      if type { places.append(1) }
      try frames.write(text.bytes)
    }
    var footer: [UInt8] = []
    for place in places {
      footer += (0..<8).map { UInt8(truncatingIfNeeded: place >> (8 * UInt64($0))) }
    }
    try frames.write(SkippableFrame.header(64) + footer + TOCLocation.newMagic)
    let position = places[..<4].map(String.init).joined(separator: ":")
    var annotations = [
      ChunkedAnnotations.zstdPrefixes[0] + "tarsplit-position":
        places[4...].map(String.init).joined(separator: ":"),
      ChunkedAnnotations.eStargzSize: String(plainSize),
    ]
    for prefix in ChunkedAnnotations.zstdPrefixes {
      annotations[prefix + "manifest-checksum"] = tocDigest.description
      annotations[prefix + "manifest-position"] = position
    }
    return ChunkedLayer(
      diffID: plain.digest(), plainSize: plainSize, tocDigest: tocDigest, annotations: annotations)
  }
}

/// Hashes what passes on with what was hashed before.
private final class PlainTee: ByteSink {
  var digester: Digester
  var count: Int64 = 0
  var sink: (any ByteSink)?

  init(_ digester: inout Digester) { self.digester = digester }

  func write(_ bytes: RawSpan) throws(StreamError) {
    digester.update(bytes)
    count += Int64(bytes.byteCount)
    try sink?.write(bytes)
  }
}
