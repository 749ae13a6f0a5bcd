import StrataModel

/// The bytes of a header: its block, and the PAX records for what does not fit into it.
struct TarHeaderForm {
  /// The 512 bytes of the ustar header.
  private(set) var block = [UInt8](repeating: 0, count: tarBlockSize)
  /// The body of the PAX header that must come first; empty where none is needed.
  private(set) var records: [UInt8] = []
  private let name: [UInt8]

  init(_ header: TarHeader) {
    name = header.name
    setNames(header)
    setNumber(TarField.mode, header.mode & 0o7777, nil)
    setNumber(TarField.uid, header.uid, "uid")
    setNumber(TarField.gid, header.gid, "gid")
    setNumber(TarField.size, header.type.isHeaderOnly ? 0 : header.size, "size")
    let time = header.modificationTime
    if time.nanoseconds > 0 || time.seconds < 0 || time.seconds >= 1 << 33 {
      add("mtime", Self.text(time))
    }
    setNumber(TarField.modificationTime, min(max(time.seconds, 0), 1 << 33 - 1), nil)
    if let access = header.accessTime { add("atime", Self.text(access)) }
    if let change = header.changeTime { add("ctime", Self.text(change)) }
    for xattr in header.xattrs {
      addRecord(PaxKey.xattrPrefix + xattr.name, xattr.value)
    }
    block[TarField.type] = header.type.rawValue
    let isDevice = header.type == .characterDevice || header.type == .blockDevice
    setNumber(TarField.deviceMajor, isDevice ? header.deviceMajor : 0, nil)
    setNumber(TarField.deviceMinor, isDevice ? header.deviceMinor : 0, nil)
    seal()
  }

  /// The header block of the records themselves.
  func recordsBlock() -> [UInt8] {
    var form = TarHeaderForm(TarHeader(name: "", type: TarHeader.EntryType(rawValue: 0x78)))
    // Readers that know no PAX make a file of it: so that its name tells what it belongs to.
    let last = name.split(separator: 0x2f).last.map(Array.init) ?? []
    let shown = Array("PaxHeaders.0/".utf8) + last.prefix(80).map { $0 < 0x80 ? $0 : 0x5f }
    form.setText(TarField.name, shown)
    form.setNumber(TarField.size, Int64(records.count), nil)
    form.seal()
    return form.block
  }

  private mutating func setNames(_ header: TarHeader) {
    setText(TarField.magic, Array("ustar".utf8))
    setText(TarField.version, Array("00".utf8))
    if Self.isASCII(header.name), header.name.count <= 100 {
      setText(TarField.name, header.name)
    } else if Self.isASCII(header.name), let cut = Self.prefixEnd(header.name) {
      setText(TarField.prefix, Array(header.name[..<cut]))
      setText(TarField.name, Array(header.name[(cut + 1)...]))
    } else {
      addRecord(Array(PaxKey.path), header.name)
      setText(TarField.name, Self.shortened(header.name, 100))
    }
    setText(header.linkName, in: TarField.linkName, or: Array(PaxKey.linkPath))
    // One NUL has to follow these two.
    setText(header.userName, in: TarField.userName, spare: 1, or: Array(PaxKey.userName))
    setText(header.groupName, in: TarField.groupName, spare: 1, or: Array(PaxKey.groupName))
  }

  /// Where a long name can be cut into prefix and name: at a slash, both parts fitting.
  private static func prefixEnd(_ name: [UInt8]) -> Int? {
    guard name.count <= 256 else { return nil }
    let end = min(155, name.count - 1)
    guard end > 0, let cut = name[...end].lastIndex(of: 0x2f), cut > 0, name.count - cut - 1 <= 100,
      name.count - cut - 1 > 0
    else { return nil }
    return cut
  }

  private mutating func setText(
    _ text: [UInt8], in field: Range<Int>, spare: Int = 0, or key: [UInt8]
  ) {
    if Self.isASCII(text), text.count <= field.count - spare {
      setText(field, text)
    } else {
      addRecord(key, text)
      setText(field, Self.shortened(text, field.count - spare))
    }
  }

  private mutating func setText(_ field: Range<Int>, _ text: [UInt8]) {
    for (index, byte) in text.prefix(field.count).enumerated() {
      block[field.lowerBound + index] = byte
    }
  }

  /// Octal digits and a NUL; what does not fit becomes a record, or base 256 where PAX has no key.
  private mutating func setNumber(_ field: Range<Int>, _ value: Int64, _ key: String?) {
    let digits = field.count - 1
    if value >= 0, value >> (3 * digits) == 0 {
      let text = String(value, radix: 8)
      let padded = String(repeating: "0", count: digits - text.utf8.count) + text
      setText(field, Array(padded.utf8))
      block[field.upperBound - 1] = 0
    } else if let key {
      add(key, String(value))
      setNumber(field, 0, nil)
    } else {
      for (index, place) in field.reversed().enumerated() {
        let shift = Int64(min(8 * index, 63))
        block[place] = UInt8(truncatingIfNeeded: value >> shift)
      }
      block[field.lowerBound] |= 0x80
    }
  }

  private mutating func add(_ key: String, _ value: String) {
    addRecord(Array(key.utf8), Array(value.utf8))
  }

  /// Appends a record, whose length counts its own digits.
  private mutating func addRecord(_ key: [UInt8], _ value: [UInt8]) {
    let rest = key.count + value.count + 3
    var length = rest + String(rest).utf8.count
    if String(length).utf8.count > String(rest).utf8.count { length += 1 }
    records.append(contentsOf: "\(length) ".utf8)
    records.append(contentsOf: key)
    records.append(0x3d)
    records.append(contentsOf: value)
    records.append(0x0a)
  }

  /// Puts the checksum in: made with its own field as spaces.
  private mutating func seal() {
    setText(TarField.checksum, [UInt8](repeating: 0x20, count: 8))
    let sum = block.reduce(0) { $0 + Int($1) }
    let text = String(sum, radix: 8)
    let padded = String(repeating: "0", count: 6 - text.utf8.count) + text
    setText(TarField.checksum, Array(padded.utf8) + [0, 0x20])
  }

  private static func text(_ time: TarHeader.Time) -> String {
    if time.nanoseconds == 0 { return String(time.seconds) }
    // A negative time's fraction is counted towards minus.
    let isNegative = time.seconds < 0
    let whole = isNegative ? time.seconds + 1 : time.seconds
    let part = isNegative ? 1_000_000_000 - time.nanoseconds : time.nanoseconds
    let digits = String(part)
    var fraction = String(repeating: "0", count: 9 - digits.utf8.count) + digits
    while fraction.last == "0" { fraction.removeLast() }
    return (isNegative && whole == 0 ? "-0" : String(whole)) + "." + fraction
  }

  private static func isASCII(_ text: [UInt8]) -> Bool { text.allSatisfy { $0 < 0x80 } }

  /// What readers without PAX get: ASCII, cut.
  private static func shortened(_ text: [UInt8], _ length: Int) -> [UInt8] {
    text.prefix(length).map { $0 < 0x80 ? $0 : 0x5f }
  }
}
