import StrataArchive
import StrataModel
import StrataSystem

/// The first 4 KiB of an index file.
package struct IndexHeader: Sendable {
  /// What the index was made from.
  package var facts: LayerFacts
  /// Where the bytes end that the image's maker wants first (eStargz's landmark); nil: no landmark.
  package var prefetchEnd: Int64?
  /// Whether the maker wants nothing to be fetched ahead.
  package var prefetchesNothing = false
  /// The sizes of all regular files together, hard links once.
  package var payloadBytes: Int64 = 0
  /// Regular files, hard links once.
  package var fileCount: Int64 = 0
  var sections: [IndexLayout.Section: SectionPlace] = [:]

  struct SectionPlace: Sendable {
    var offset: Int
    var length: Int
    var checksum: SHA256Value

    var end: Int { offset + length }
  }

  private enum Mark {
    static let prefetchesNothing: UInt32 = 1
    static let hasBlobDigest: UInt32 = 2
    static let hasDiffID: UInt32 = 4
  }

  init(_ facts: LayerFacts) {
    self.facts = facts
  }

  /// The header's bytes without their checksum.
  func encoded() throws(StreamError) -> [UInt8] {
    guard let tocDigest = SHA256Value(facts.tocDigest) else {
      throw StreamError(.unsupported, "index: the TOC's digest is no SHA-256")
    }
    let blob = facts.blobDigest.flatMap(SHA256Value.init)
    let diffID = facts.diffID.flatMap(SHA256Value.init)
    var bytes = IndexLayout.magic
    bytes.append(little: IndexLayout.version)
    bytes.append(little: facts.form.rawValue)
    bytes.append(little: UInt32(sections.count))
    bytes.append(
      little: (prefetchesNothing ? Mark.prefetchesNothing : 0)
        | (blob == nil ? 0 : Mark.hasBlobDigest) | (diffID == nil ? 0 : Mark.hasDiffID))
    for number in [
      facts.blobSize, facts.toc.offset, facts.toc.length, facts.plainSize ?? -1,
      prefetchEnd ?? -1, payloadBytes, fileCount,
    ] { bytes.append(little: number) }
    bytes.append(contentsOf: repeatElement(0, count: 128 - bytes.count))
    for value in [tocDigest, blob ?? .zero, diffID ?? .zero] { bytes.append(value) }
    bytes.append(contentsOf: repeatElement(0, count: IndexLayout.sectionTable - bytes.count))
    for (section, place) in sections.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
      bytes.append(little: section.rawValue)
      bytes.append(little: UInt32(0))
      bytes.append(little: Int64(place.offset))
      bytes.append(little: Int64(place.length))
      bytes.append(place.checksum)
    }
    bytes.append(contentsOf: repeatElement(0, count: IndexLayout.headerChecksum - bytes.count))
    return bytes
  }

  /// Reads a header whose checksum was checked.
  init(_ file: MappedFile) throws(StreamError) {
    func value(_ offset: Int) -> SHA256Value {
      SHA256Value(bytes: file.bytes(offset..<(offset + 32))) ?? .zero
    }
    func optional(_ offset: Int) -> Int64? {
      let number: Int64 = file.number(at: offset)
      return number >= 0 ? number : nil
    }
    guard file.bytes(0..<8) == IndexLayout.magic,
      file.number(UInt32.self, at: 8) == IndexLayout.version
    else { throw StreamError(.unsupported, "index: another magic or version") }
    guard let form = ChunkedForm(rawValue: file.number(at: 12)) else {
      throw StreamError(.malformed, "index: a layer of an unknown form")
    }
    let marks: UInt32 = file.number(at: 20)
    facts = LayerFacts(
      form: form, tocDigest: value(128).digest,
      blobDigest: marks & Mark.hasBlobDigest == 0 ? nil : value(160).digest,
      blobSize: file.number(at: 24),
      toc: BlobRange(offset: file.number(at: 32), length: file.number(at: 40)),
      diffID: marks & Mark.hasDiffID == 0 ? nil : value(192).digest, plainSize: optional(48))
    prefetchesNothing = marks & Mark.prefetchesNothing != 0
    prefetchEnd = optional(56)
    payloadBytes = file.number(at: 64)
    fileCount = file.number(at: 72)
    guard facts.blobSize >= 0, facts.toc.offset >= 0, facts.toc.length >= 0,
      facts.toc.offset <= facts.blobSize - facts.toc.length
    else { throw StreamError(.malformed, "index: a TOC outside of the blob") }
    try readSections(file)
  }

  private mutating func readSections(_ file: MappedFile) throws(StreamError) {
    let count: UInt32 = file.number(at: 16)
    guard count <= IndexLayout.sectionLimit else {
      throw StreamError(.malformed, "index: \(count) sections")
    }
    var end = IndexLayout.headerSize
    for number in 0..<Int(count) {
      let place = IndexLayout.sectionTable + number * IndexLayout.sectionRecordSize
      let offset: Int64 = file.number(at: place + 8)
      let length: Int64 = file.number(at: place + 16)
      guard offset >= end, length >= 0, length <= file.count, offset <= file.count - Int(length)
      else { throw StreamError(.malformed, "index: a section outside of the file") }
      end = Int(offset + length)
      // A section of a later version is left alone.
      guard let section = IndexLayout.Section(rawValue: file.number(at: place)) else { continue }
      guard sections[section] == nil, Int(length).isMultiple(of: section.recordSize) else {
        throw StreamError(.malformed, "index: a section twice or with a part of a record")
      }
      sections[section] = SectionPlace(
        offset: Int(offset), length: Int(length),
        checksum: SHA256Value(bytes: file.bytes((place + 24)..<(place + 56))) ?? .zero)
    }
  }
}
