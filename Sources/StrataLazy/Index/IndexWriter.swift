import StrataDigest
import StrataModel
import StrataSystem

/// Writes an index file: section after section, the header last, so that a file cut short has none.
struct IndexWriter {
  private let file: FileDescriptor
  private var header: IndexHeader
  private var position = Int64(IndexLayout.headerSize)
  private var pending: [UInt8] = []
  private var digester = Digester()
  private var sectionStart = Int64(IndexLayout.headerSize)

  init(_ file: FileDescriptor, _ header: IndexHeader) {
    self.file = file
    self.header = header
    pending.reserveCapacity(Self.bufferSize + 128)
  }

  private static let bufferSize = 1 << 18

  /// Appends to the section that is being written.
  mutating func append(_ body: (inout [UInt8]) -> Void) throws(StreamError) {
    body(&pending)
    if pending.count >= Self.bufferSize { try flush() }
  }

  /// Ends a section and gives it its name.
  mutating func end(_ section: IndexLayout.Section) throws(StreamError) {
    try flush()
    header.sections[section] = IndexHeader.SectionPlace(
      offset: Int(sectionStart), length: Int(position - sectionStart),
      checksum: digester.sha256() ?? .zero)
    let unit = Int64(IndexLayout.alignment)
    position = (position + unit - 1) / unit * unit
    sectionStart = position
    digester = Digester()
  }

  private mutating func flush() throws(StreamError) {
    if pending.isEmpty { return }
    let bytes = pending
    digester.update(bytes.rawSpan)
    try write(bytes, at: position)
    position += Int64(pending.count)
    pending.removeAll(keepingCapacity: true)
  }

  private func write(_ bytes: [UInt8], at offset: Int64) throws(StreamError) {
    do throws(Errno) {
      try file.writeAll(bytes.rawSpan, at: offset)
    } catch { throw StreamError(error, "write a layer's index") }
  }

  /// Writes the header.
  mutating func finish() throws(StreamError) {
    var bytes = try header.encoded()
    bytes.append(Digester.sha256(of: bytes.rawSpan))
    try write(bytes, at: 0)
    do throws(Errno) {
      // The last section may be empty, or end before its padding does.
      try file.truncate(to: max(position, Int64(IndexLayout.headerSize)))
    } catch { throw StreamError(error, "write a layer's index") }
  }
}
