package import StrataSystem

// Footers of seekable layers. eStargz: stargz-snapshotter docs/estargz.md, an empty gzip member whose
// extra field holds the TOC's offset; 51 bytes, 47 in CRFS's stargz. zstd:chunked: containers/storage
// pkg/chunked/internal, a skippable frame of numbers; 40, 56 or 64 bytes, by version.

extension TOCLocation {
  /// How many of a blob's last bytes `init(tail:blobSize:)` needs, or all where the blob is shorter.
  package static let tailLength = 72

  /// Reads the footer in a blob's last bytes; nil where there is none: a plain layer.
  ///
  /// `malformed` where there is one that points outside of the blob, `unsupported` for an eStargz layer
  /// whose TOC lies in another image.
  package init?(tail: [UInt8], blobSize: Int64) throws(StreamError) {
    if let offset = try Self.eStargzOffset(tail) {
      let length = blobSize - Int64(offset.footerLength) - offset.toc
      guard length > 0, length <= Int64(TOCLimit.bytes) else {
        throw StreamError(.malformed, "eStargz footer: TOC at \(offset.toc) of \(blobSize) bytes")
      }
      self.init(form: .eStargz, toc: BlobRange(offset: offset.toc, length: length))
      return
    }
    guard let (fields, frameLength) = Self.zstdFields(tail) else { return nil }
    try self.init(zstdFields: fields, end: blobSize - Int64(frameLength))
  }

  /// Reads the fields of a zstd:chunked footer or annotation.
  ///
  /// Offset, compressed and plain length and type of the TOC, then offset, compressed and plain length of
  /// the tar-split, zeros or nothing for none. `end` is where both must end.
  init(zstdFields fields: [UInt64], end: Int64) throws(StreamError) {
    func range(_ start: Int) throws(StreamError) -> (BlobRange, Int64) {
      let limit = UInt64(TOCLimit.bytes)
      guard end > 0, fields[start] < UInt64(end), fields[start + 1] > 0, fields[start + 1] <= limit,
        fields[start + 2] > 0, fields[start] + fields[start + 1] <= UInt64(end)
      else {
        throw StreamError(.malformed, "zstd:chunked footer: \(fields) in \(end) bytes")
      }
      return (
        BlobRange(offset: Int64(fields[start]), length: Int64(fields[start + 1])),
        Int64(clamping: fields[start + 2])
      )
    }
    guard fields.count >= 4, fields[3] == 1 else {
      throw StreamError(.unsupported, "zstd:chunked footer: TOC of an unknown type")
    }
    let (toc, plain) = try range(0)
    self.init(form: .zstdChunked, toc: toc)
    guard plain <= Int64(TOCLimit.bytes) else {
      throw StreamError(.limit, "zstd:chunked TOC of \(plain) bytes")
    }
    plainLength = plain
    if fields.count >= 7, fields[4] != 0 {
      let (place, length) = try range(4)
      tarSplit = place
      plainTarSplitLength = length
    }
  }

  private static func eStargzOffset(_ tail: [UInt8]) throws(StreamError) -> (
    toc: Int64, footerLength: Int
  )? {
    let end: [UInt8] = [1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]
    guard tail.suffix(13).elementsEqual(end) else { return nil }
    func extra(_ length: Int) -> ArraySlice<UInt8>? {
      let whole = tail.suffix(length + 25)
      guard whole.count == length + 25,
        whole.starts(with: [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, UInt8(length), 0])
      else { return nil }
      return whole.dropFirst(12).prefix(length)
    }
    if let field = extra(21), field.elementsEqual("SG\u{11}\u{0}STARGZEXTERNALTOC".utf8) {
      throw StreamError(.unsupported, "eStargz: the TOC lies in another image")
    }
    let length: Int
    let digits: ArraySlice<UInt8>
    if let field = extra(26), field.starts(with: [0x53, 0x47, 22, 0]) {
      (length, digits) = (51, field.dropFirst(4))
    } else if let field = extra(22) {
      (length, digits) = (47, field)
    } else {
      return nil
    }
    guard digits.suffix(6).elementsEqual("STARGZ".utf8) else { return nil }
    let text = String(decoding: digits.prefix(16), as: UTF8.self)
    guard text.utf8.allSatisfy({ $0 != 0x2b && $0 != 0x2d }), let offset = Int64(text, radix: 16)
    else { throw StreamError(.malformed, "eStargz footer: TOC at \(text)") }
    return (offset, length)
  }

  /// The numbers of a zstd:chunked footer and the length of the frame that holds them.
  private static func zstdFields(_ tail: [UInt8]) -> ([UInt64], Int)? {
    for (length, magicPlace) in [(64, 56), (56, 32), (40, 32)] {
      let frame = Array(tail.suffix(length + 8))
      guard frame.count == length + 8, frame.starts(with: SkippableFrame.header(length)) else {
        continue
      }
      let data = frame[8...]
      let magic = data.dropFirst(magicPlace).prefix(8)
      guard magics.contains(where: { magic.elementsEqual($0) }) else { continue }
      // The magic's own place and what is behind it are no numbers.
      let count = magicPlace / 8
      let fields = (0..<count).map { number in
        data.dropFirst(number * 8).prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      }
      return (fields, length + 8)
    }
    return nil
  }

  static let newMagic = Array("GNUlInUx".utf8)
  static let magics = [newMagic, Array("GnUlInUx".utf8)]
}

/// A zstd frame that decoders pass over (RFC 8878, section 3.1.2).
enum SkippableFrame {
  /// What stands before `length` bytes of data.
  static func header(_ length: Int) -> [UInt8] {
    let size = UInt32(length)
    return [0x50, 0x2a, 0x4d, 0x18] + (0..<4).map { UInt8(truncatingIfNeeded: size >> (8 * $0)) }
  }
}
