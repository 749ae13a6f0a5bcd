import StrataModel

/// The records of a PAX header: `<length> <key>=<value>\n`, as POSIX pax has them.
struct PaxRecords {
  private typealias Record = (key: ArraySlice<UInt8>, value: ArraySlice<UInt8>)

  /// One record of each key, the last; an empty value takes the key away.
  private var records: [Record] = []
  /// Where a key's record is, once there are too many to look through.
  private var positions: [ArraySlice<UInt8>: Int] = [:]
  /// The map of a sparse file in GNU's format 0.0, whose two keys come once for each piece.
  private(set) var sparsePieces: [ArraySlice<UInt8>] = []

  /// No records.
  init() {}

  /// Reads the body of a header; nil where it is malformed.
  init?(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      guard let (key, value, length) = Self.record(rest) else { return nil }
      rest = rest.dropFirst(length)
      if key == PaxKey.sparseOffset || key == PaxKey.sparseBytes {
        let isOffset = key == PaxKey.sparseOffset
        guard sparsePieces.count.isMultiple(of: 2) == isOffset else { return nil }
        sparsePieces.append(value)
      } else {
        set(key, value)
      }
    }
  }

  /// The value of a key, or nil where it is absent or empty.
  subscript(_ key: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard let index = position(of: key), !records[index].value.isEmpty else { return nil }
    return records[index].value
  }

  private func position(of key: ArraySlice<UInt8>) -> Int? {
    if positions.isEmpty { return records.firstIndex { $0.key == key } }
    return positions[key]
  }

  private mutating func set(_ key: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) {
    if let index = position(of: key) {
      records[index].value = value
      return
    }
    records.append((key, value))
    if !positions.isEmpty {
      positions[key] = records.count - 1
    } else if records.count == 16 {
      for index in records.indices { positions[records[index].key] = index }
    }
  }

  /// The first record of `bytes` and its length.
  private static func record(
    _ bytes: ArraySlice<UInt8>
  ) -> (ArraySlice<UInt8>, ArraySlice<UInt8>, Int)? {
    guard let space = bytes.firstIndex(of: 0x20),
      let length = decimal(bytes[..<space]), length >= 5, length <= bytes.count
    else { return nil }
    let end = bytes.startIndex + Int(length)
    let start = space + 1
    guard start < end, bytes[end - 1] == 0x0a else { return nil }
    let record = bytes[start..<(end - 1)]
    guard let equals = record.firstIndex(of: UInt8(ascii: "=")) else { return nil }
    let key = record[..<equals]
    let value = record[(equals + 1)...]
    let isText = PaxKey.texts.contains(key)
    guard !key.isEmpty, !(isText ? value : key).contains(0) else { return nil }
    return (key, value, Int(length))
  }

  /// A decimal number with an optional sign, as Go's `ParseInt` takes it.
  static func decimal(_ text: ArraySlice<UInt8>) -> Int64? {
    var digits = text
    var isNegative = false
    if let first = digits.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
      isNegative = first == UInt8(ascii: "-")
      digits.removeFirst()
    }
    if digits.isEmpty { return nil }
    var value: Int64 = 0
    for byte in digits {
      guard byte >= 0x30, byte <= 0x39 else { return nil }
      let (product, overflow) = value.multipliedReportingOverflow(by: 10)
      let digit = Int64(byte - 0x30)
      let (sum, more) =
        isNegative
        ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
      if overflow || more { return nil }
      value = sum
    }
    return value
  }

  /// `seconds[.fraction]`, digits beyond the ninth dropped; nil where it is malformed.
  static func time(_ text: ArraySlice<UInt8>) -> TarHeader.Time? {
    let point = text.firstIndex(of: UInt8(ascii: ".")) ?? text.endIndex
    guard let seconds = decimal(text[..<point]) else { return nil }
    let fraction = text[point...].dropFirst()
    var nanoseconds: UInt32 = 0
    var digits = 0
    for byte in fraction {
      guard byte >= 0x30, byte <= 0x39 else { return nil }
      if digits < 9 {
        nanoseconds = nanoseconds * 10 + UInt32(byte - 0x30)
        digits += 1
      }
    }
    while digits < 9 {
      nanoseconds *= 10
      digits += 1
    }
    if text.first == UInt8(ascii: "-"), nanoseconds > 0 {
      // -1.25 is a quarter second before -1.
      return TarHeader.Time(seconds: seconds &- 1, nanoseconds: 1_000_000_000 - nanoseconds)
    }
    return TarHeader.Time(seconds: seconds, nanoseconds: nanoseconds)
  }

  /// Puts what the records say into a header; false where a value is malformed.
  func merge(into header: inout TarHeader) -> Bool {
    for (key, value) in records where !value.isEmpty {
      switch key {
      case PaxKey.path: header.name = Array(value)
      case PaxKey.linkPath: header.linkName = Array(value)
      case PaxKey.userName: header.userName = Array(value)
      case PaxKey.groupName: header.groupName = Array(value)
      case PaxKey.uid: if !set(&header.uid, value) { return false }
      case PaxKey.gid: if !set(&header.gid, value) { return false }
      case PaxKey.size: if !set(&header.size, value) { return false }
      case PaxKey.modificationTime:
        guard let time = Self.time(value) else { return false }
        header.modificationTime = time
      case PaxKey.accessTime:
        guard let time = Self.time(value) else { return false }
        header.accessTime = time
      case PaxKey.changeTime:
        guard let time = Self.time(value) else { return false }
        header.changeTime = time
      default:
        if key.starts(with: PaxKey.xattrPrefix) {
          let name = Array(key.dropFirst(PaxKey.xattrPrefix.count))
          header.xattrs.append(TarHeader.Xattr(name: name, value: Array(value)))
        }
      }
    }
    return true
  }

  private func set(_ number: inout Int64, _ text: ArraySlice<UInt8>) -> Bool {
    guard let value = Self.decimal(text) else { return false }
    number = value
    return true
  }
}

/// The keys that mean something here.
enum PaxKey {
  static let path = Array("path".utf8)[...]
  static let linkPath = Array("linkpath".utf8)[...]
  static let userName = Array("uname".utf8)[...]
  static let groupName = Array("gname".utf8)[...]
  static let uid = Array("uid".utf8)[...]
  static let gid = Array("gid".utf8)[...]
  static let size = Array("size".utf8)[...]
  static let modificationTime = Array("mtime".utf8)[...]
  static let accessTime = Array("atime".utf8)[...]
  static let changeTime = Array("ctime".utf8)[...]
  static let xattrPrefix = Array("SCHILY.xattr.".utf8)
  static let sparseMajor = Array("GNU.sparse.major".utf8)[...]
  static let sparseMinor = Array("GNU.sparse.minor".utf8)[...]
  static let sparseName = Array("GNU.sparse.name".utf8)[...]
  static let sparseMap = Array("GNU.sparse.map".utf8)[...]
  static let sparseCount = Array("GNU.sparse.numblocks".utf8)[...]
  static let sparseSize = Array("GNU.sparse.size".utf8)[...]
  static let sparseRealSize = Array("GNU.sparse.realsize".utf8)[...]
  static let sparseOffset = Array("GNU.sparse.offset".utf8)[...]
  static let sparseBytes = Array("GNU.sparse.numbytes".utf8)[...]
  /// Keys whose values, not names, must be free of NUL.
  static let texts = [path, linkPath, userName, groupName]
}
