import StrataCompression
import StrataDigest
import StrataJSON
import StrataModel
import StrataSystem

/// Text that is kept compressed in memory until all of it is there.
final class CompressedText: ByteSink {
  private let sink = ArraySink()
  private let zstd: ZstdSink
  private var count: Int64 = 0

  init() { zstd = ZstdSink(to: sink) }

  func write(_ bytes: RawSpan) throws(StreamError) {
    count += Int64(bytes.byteCount)
    try zstd.write(bytes)
  }

  /// The compressed bytes; the plain length is nil where no reader would take so much.
  func finish() throws(StreamError) -> (bytes: [UInt8], plainCount: Int64?) {
    try zstd.finish()
    return (sink.bytes, count <= Int64(TOCLimit.bytes) ? count : nil)
  }
}

/// The JSON of a TOC as it is written row by row.
final class TOCText {
  private let form: ChunkedForm
  private let text = CompressedText()
  private var isFirst = true

  init(_ form: ChunkedForm) throws(StreamError) {
    self.form = form
    try text.write(Array("{\"version\":1,\"entries\":[".utf8))
  }

  /// The kind of row for an entry; nil where there is none.
  static func kind(of type: TarHeader.EntryType) -> TOCEntry.Kind? {
    switch type {
    case .regular: .regular
    case .hardLink: .hardLink
    case .symlink: .symlink
    case .characterDevice: .characterDevice
    case .blockDevice: .blockDevice
    case .directory: .directory
    case .fifo: .fifo
    default: nil
    }
  }

  private static func word(_ kind: TOCEntry.Kind) -> String {
    switch kind {
    case .directory: "dir"
    case .regular: "reg"
    case .symlink: "symlink"
    case .hardLink: "hardlink"
    case .characterDevice: "char"
    case .blockDevice: "block"
    case .fifo: "fifo"
    case .chunk: "chunk"
    }
  }

  /// Writes a row and those of its further chunks.
  func append(_ group: FrameGroup) throws(StreamError) {
    let header = group.header
    let name = name(of: header, group.kind)
    var row = JSONWriter(escapesHTML: false)
    row.beginObject()
    row.name("type")
    row.string(Self.word(group.kind))
    row.name("name")
    row.string(name)
    let link = header.linkName
    if group.kind == .hardLink, form == .eStargz {
      row.member("linkName", nonEmpty: String(decoding: CleanName(link).bytes, as: UTF8.self))
    } else if group.kind == .hardLink || group.kind == .symlink {
      row.member("linkName", nonEmpty: String(decoding: link, as: UTF8.self))
    }
    row.member("mode", nonZero: header.mode)
    if group.kind == .regular { row.member("size", nonZero: header.size) }
    row.member("uid", nonZero: header.uid)
    row.member("gid", nonZero: header.gid)
    write(header.modificationTime, "modtime", &row)
    if form == .zstdChunked {
      if let time = header.accessTime { write(time, "accesstime", &row) }
      if let time = header.changeTime { write(time, "changetime", &row) }
    }
    row.member("devMajor", nonZero: header.deviceMajor)
    row.member("devMinor", nonZero: header.deviceMinor)
    write(header.xattrs, &row)
    if let digest = group.digest {
      row.name("digest")
      row.string(digest.description)
    }
    let isCut = group.pieces.count > 1
    if let first = group.pieces.first { write(first, at: 0, isCut: isCut, &row) }
    row.endObject()
    try put(row)
    var offset = group.pieces.first?.length ?? 0
    for piece in group.pieces.dropFirst() {
      var row = JSONWriter(escapesHTML: false)
      row.beginObject()
      row.name("type")
      row.string("chunk")
      row.name("name")
      row.string(name)
      write(piece, at: offset, isCut: true, &row)
      row.endObject()
      try put(row)
      offset += piece.length
    }
  }

  /// eStargz has clean names, a slash behind those of directories; zstd:chunked those of the tar.
  private func name(of header: TarHeader, _ kind: TOCEntry.Kind) -> String {
    guard form == .eStargz else { return String(decoding: header.name, as: UTF8.self) }
    let clean = String(decoding: CleanName(header.name).bytes, as: UTF8.self)
    return kind == .directory ? clean + "/" : clean
  }

  private func write(
    _ piece: FrameGroup.Piece, at offset: Int64, isCut: Bool, _ row: inout JSONWriter
  ) {
    row.member("offset", nonZero: piece.place.offset)
    if form == .zstdChunked { row.member("endOffset", nonZero: piece.place.end) }
    guard isCut || form == .eStargz else { return }
    row.member("chunkOffset", nonZero: offset)
    if isCut { row.member("chunkSize", nonZero: piece.length) }
    row.name("chunkDigest")
    row.string(piece.digest.description)
  }

  private func write(_ time: TarHeader.Time, _ name: String, _ row: inout JSONWriter) {
    row.name(name)
    let nanoseconds = form == .eStargz ? 0 : time.nanoseconds
    row.string(Timestamp(seconds: time.seconds, nanoseconds: nanoseconds).description)
  }

  private func write(_ xattrs: [TarHeader.Xattr], _ row: inout JSONWriter) {
    if xattrs.isEmpty { return }
    row.name("xattrs")
    row.beginObject()
    for xattr in xattrs {
      row.name(String(decoding: xattr.name, as: UTF8.self))
      var text: [UInt8] = []
      text.appendBase64(of: xattr.value.rawSpan)
      row.string(String(decoding: text, as: UTF8.self))
    }
    row.endObject()
  }

  private func put(_ row: JSONWriter) throws(StreamError) {
    if !isFirst { try text.write([UInt8(ascii: ",")]) }
    isFirst = false
    try text.write(row.bytes)
  }

  /// Ends the text; the digest is of its compressed bytes.
  func finish(tarSplit: Digest?) throws(StreamError) -> (
    (bytes: [UInt8], plainCount: Int64?), Digest
  ) {
    try text.write(Array("]".utf8))
    if let tarSplit { try text.write(Array(",\"tarSplitDigest\":\"\(tarSplit)\"".utf8)) }
    try text.write(Array("}".utf8))
    let whole = try text.finish()
    return (whole, Digester.digest(of: whole.bytes))
  }
}
