import StrataModel

/// Where the fields of a 512-byte header lie, by POSIX ustar, GNU tar and star.
enum TarField {
  static let name = 0..<100
  static let mode = 100..<108
  static let uid = 108..<116
  static let gid = 116..<124
  static let size = 124..<136
  static let modificationTime = 136..<148
  static let checksum = 148..<156
  static let type = 156
  static let linkName = 157..<257
  static let magic = 257..<263
  static let version = 263..<265
  static let userName = 265..<297
  static let groupName = 297..<329
  static let deviceMajor = 329..<337
  static let deviceMinor = 337..<345
  static let prefix = 345..<500
  static let gnuAccessTime = 345..<357
  static let gnuChangeTime = 357..<369
  static let starPrefix = 345..<476
  static let starAccessTime = 476..<488
  static let starChangeTime = 488..<500
  static let starTrailer = 508..<512
}

/// The size of a block; bodies are padded to it.
let tarBlockSize = 512

/// How many bytes fill `size` up to a whole block.
func tarPadding(_ size: Int64) -> Int {
  Int(-size & Int64(tarBlockSize - 1))
}

/// A header block as it was read; `fields` makes a header of it.
struct TarBlock {
  /// The forms that a header can have; which one decides what lies behind the first 257 bytes.
  enum Format { case v7, ustar, gnu, star }

  private let bytes: [UInt8]

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// The format, or nil where the checksum is wrong: the block is no header then.
  var format: Format? {
    guard let recorded = Self.octal(bytes[TarField.checksum]) else { return nil }
    var unsigned: Int64 = 0
    var signed: Int64 = 0
    for index in bytes.indices {
      // The checksum is made with its own field as spaces.
      let byte = TarField.checksum.contains(index) ? 0x20 : bytes[index]
      unsigned += Int64(byte)
      signed += Int64(Int8(bitPattern: byte))
    }
    guard recorded == unsigned || recorded == signed else { return nil }
    let magic = bytes[TarField.magic]
    if magic.elementsEqual([0x75, 0x73, 0x74, 0x61, 0x72, 0x00]) {  // "ustar\0"
      let trailer = bytes[TarField.starTrailer]
      return trailer.elementsEqual([0x74, 0x61, 0x72, 0x00]) ? .star : .ustar  // "tar\0"
    }
    if bytes[TarField.magic.lowerBound..<TarField.version.upperBound]
      .elementsEqual([0x75, 0x73, 0x74, 0x61, 0x72, 0x20, 0x20, 0x00])  // "ustar  \0"
    {
      return .gnu
    }
    return .v7
  }

  /// The header in this block, or nil where it is none or a number in it is none.
  ///
  /// Tolerant where the Go reader is: base-256 in any number, fields without an end, spaces and NULs
  /// around digits.
  func header() -> TarHeader? {
    guard let format, let size = number(TarField.size), let mode = number(TarField.mode),
      let uid = number(TarField.uid), let gid = number(TarField.gid),
      let modified = number(TarField.modificationTime)
    else { return nil }
    var header = TarHeader(
      name: text(TarField.name), type: TarHeader.EntryType(rawValue: bytes[TarField.type]),
      size: size, mode: mode, linkName: text(TarField.linkName),
      modificationTime: TarHeader.Time(seconds: modified))
    header.uid = uid
    header.gid = gid
    if format == .v7 { return header }
    guard let major = number(TarField.deviceMajor), let minor = number(TarField.deviceMinor) else {
      return nil
    }
    header.userName = text(TarField.userName)
    header.groupName = text(TarField.groupName)
    header.deviceMajor = major
    header.deviceMinor = minor
    return readRest(of: format, into: &header) ? header : nil
  }

  /// What lies behind the device numbers: a prefix of the name, or times.
  private func readRest(of format: Format, into header: inout TarHeader) -> Bool {
    var prefix: [UInt8] = []
    switch format {
    case .v7: break
    case .ustar: prefix = text(TarField.prefix)
    case .star:
      prefix = text(TarField.starPrefix)
      guard let access = number(TarField.starAccessTime),
        let change = number(TarField.starChangeTime)
      else { return false }
      header.accessTime = TarHeader.Time(seconds: access)
      header.changeTime = TarHeader.Time(seconds: change)
    case .gnu:
      let access = optionalTime(TarField.gnuAccessTime)
      let change = optionalTime(TarField.gnuChangeTime)
      if let access, let change {
        header.accessTime = access
        header.changeTime = change
      } else {
        // Go's writer before 1.8 put a prefix here; its reader still takes one that is ASCII.
        let candidate = text(TarField.prefix)
        if candidate.allSatisfy({ $0 < 0x80 }) { prefix = candidate }
      }
    }
    if !prefix.isEmpty { header.name = prefix + [UInt8(ascii: "/")] + header.name }
    return true
  }

  /// A time of the GNU format: nil within where the field is empty, nil as a whole where it is no
  /// number.
  private func optionalTime(_ field: Range<Int>) -> TarHeader.Time?? {
    if bytes[field.lowerBound] == 0 { return .some(nil) }
    return number(field).map { TarHeader.Time(seconds: $0) }
  }

  /// The bytes up to the first NUL.
  private func text(_ field: Range<Int>) -> [UInt8] {
    Array(bytes[field].prefix { $0 != 0 })
  }

  /// A number in octal digits, or in base 256 if the first bit is set.
  private func number(_ field: Range<Int>) -> Int64? {
    let first = bytes[field.lowerBound]
    guard first & 0x80 != 0 else { return Self.octal(bytes[field]) }
    // Two's complement, big-endian, the first bit of all being the mark.
    let isNegative = first & 0x40 != 0
    var value: UInt64 = isNegative ? ~0 : 0
    for index in field {
      var byte = bytes[index]
      if index == field.lowerBound { byte = isNegative ? byte : byte & 0x7f }
      let top = value >> 55
      if top != (isNegative ? 0x1ff : 0) { return nil }
      value = value << 8 | UInt64(byte)
    }
    return Int64(bitPattern: value)
  }

  /// Octal digits between spaces and NULs; 0 where there are none.
  private static func octal(_ field: ArraySlice<UInt8>) -> Int64? {
    var digits = field
    while let first = digits.first, first == 0x20 || first == 0 { digits.removeFirst() }
    while let last = digits.last, last == 0x20 || last == 0 { digits.removeLast() }
    var value: UInt64 = 0
    for byte in digits {
      if byte == 0 { break }
      guard byte >= 0x30, byte <= 0x37, value >> 61 == 0 else { return nil }
      value = value << 3 | UInt64(byte - 0x30)
    }
    return Int64(bitPattern: value)
  }
}
