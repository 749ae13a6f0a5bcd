import StrataDigest
import StrataModel
import StrataSystem
import Synchronization

/// What a slot, the upper half of a node's number, stands for.
enum SlotSubject: Hashable, Sendable {
  /// ROOT/<base64 reference>.
  case image(reference: String)
  /// ROOT/<base64 reference>/<digest>: the slot of the image, and the digest that was asked for.
  case layer(image: UInt32, key: Digest)
  /// The tree of a layer, shared by all images that pair this blob with this TOC; `image` is the
  /// slot of the first that did, `size` the blob's.
  case tree(image: UInt32, blob: Digest, toc: Digest, size: Int64)
}

/// Numbers that stay: which slot stands for what, in a file that the next worker reads.
///
/// Append-only and never reused while the mount lives, since the kernel holds node numbers of
/// `slot << 32 | entry`. Slot 0 is the root's. A record is in the file before its number is given
/// out; one that is cut short (power, `kill -9`) was never given out. A damaged one keeps its number
/// and stands for nothing, so that what the kernel calls by it is stale and never another layer's. For
/// the same end a file that is begun anew numbers from another of a thousand bases.
///
/// File: a header of one record (magic `STRATASL`, version 2, generation, base), then records of 512
/// bytes: kind, image slot, length of the text, text; in the last 8 bytes of each, the header too, the
/// first 8 of the record's SHA-256. The record of slot `base + n` is the n-th, from 1.
final class SlotTable: Sendable {
  private struct State {
    /// Index 0 is slot `base + 1`; nil where the record is damaged.
    var subjects: [SlotSubject?] = []
    var base: UInt32 = 0
    var slots: [SlotSubject: UInt32] = [:]

    mutating func add(
      _ subject: SlotSubject, _ record: [UInt8], _ file: SharedDescriptor
    ) -> Result<UInt32, Errno> {
      let identity = subject.identity
      if let known = slots[identity] { return .success(known) }
      let number = subjects.count + 1
      guard number <= SlotTable.limit else { return .failure(.noSpace) }
      if number.isMultiple(of: SlotTable.reserve) { SlotTable.reserveRoom(file, behind: number) }
      do throws(Errno) {
        try file.view.writeAll(record.rawSpan, at: Int64(SlotTable.recordSize * number))
      } catch { return .failure(error) }
      subjects.append(subject)
      slots[identity] = base + UInt32(number)
      return .success(base + UInt32(number))
    }
  }

  private static let recordSize = 512
  private static let magic = Array("STRATASL".utf8)
  /// More names than any host has layers: whoever may walk the mount could make them without end.
  private static let limit = 1 << 20
  /// For so many records more there is room in the file: a full disk must not keep layers away.
  private static let reserve = 256

  private let file: SharedDescriptor
  private let state: Mutex<State>

  /// Opens `slots` in the state directory.
  ///
  /// `generation` names the mount: a file of another one is begun anew. Errors of the file.
  init(_ directory: FileDescriptor, generation: UInt64) throws(Errno) {
    file = SharedDescriptor(
      try directory.open("slots", [.readWrite, .create, .noFollow], mode: 0o600))
    var state = State()
    if let base = Self.base(try file.view.bytes(Self.recordSize, at: 0), generation) {
      state.base = base
      let count = Int(try file.view.status().size) / Self.recordSize - 1
      for number in stride(from: 1, through: min(count, Self.limit), by: 1) {
        let place = Int64(Self.recordSize * number)
        let subject = SlotSubject(record: try file.view.bytes(Self.recordSize, at: place))
        state.subjects.append(subject)
        if let subject { state.slots[subject.identity] = base + UInt32(number) }
      }
    } else {
      // A number of 53 bits with the entry's: overlays want some of the upper ones for themselves.
      state.base = UInt32.random(in: 0..<1024) * 1024
      try file.view.truncate(to: 0)
      try file.view.writeAll(Self.header(generation, base: state.base).rawSpan, at: 0)
    }
    Self.reserveRoom(file, behind: state.subjects.count)
    self.state = Mutex(state)
  }

  private static func header(_ generation: UInt64, base: UInt32) -> [UInt8] {
    var head = magic + littleEndian(UInt32(2)) + littleEndian(generation) + littleEndian(base)
    head += [UInt8](repeating: 0, count: recordSize - 8 - head.count)
    return head + checksum(head)
  }

  /// The base in a header of this generation; nil for any other bytes.
  private static func base(_ head: [UInt8], _ generation: UInt64) -> UInt32? {
    guard head.count == recordSize else { return nil }
    let base = number(head, at: 20)
    return head == header(generation, base: base) ? base : nil
  }

  /// Takes blocks of the disk for the next records without making the file longer.
  private static func reserveRoom(_ file: SharedDescriptor, behind count: Int) {
    // FALLOC_FL_KEEP_SIZE; where the file system cannot, there may be no room one day.
    try? file.view.allocate(
      mode: 1, offset: 0, length: Int64(recordSize * (count + 2 * reserve)))
  }

  /// The slot of a subject, made if it has none; ENOSPC beyond a million, and errors of the file.
  func slot(of subject: SlotSubject) throws(Errno) -> UInt32 {
    let record = try subject.record()
    // Under the lock, against the rule: the order of records is the numbering.
    let outcome = state.withLock { state in state.add(subject, record, file) }
    return try outcome.get()
  }

  /// What a slot stands for; nil for one that was never given out.
  subscript(slot: UInt32) -> SlotSubject? {
    state.withLock { state in
      slot > state.base && Int(slot - state.base) <= state.subjects.count
        ? state.subjects[Int(slot - state.base) - 1] : nil
    }
  }

  /// All slots of a kind that `body` chooses, lowest first.
  func slots<Value>(_ body: (UInt32, SlotSubject) -> Value?) -> [Value] {
    let (subjects, base) = state.withLock { ($0.subjects, $0.base) }
    return subjects.enumerated().compactMap { offset, subject in
      subject.flatMap { body(base + UInt32(offset + 1), $0) }
    }
  }
}

extension SlotSubject {
  /// What makes two subjects one: not the image that a tree was first met in.
  fileprivate var identity: SlotSubject {
    if case .tree(_, let blob, let toc, _) = self {
      return .tree(image: 0, blob: blob, toc: toc, size: 0)
    }
    return self
  }

  private static let recordSize = 512
  private static let textLimit = recordSize - 8 - 12

  /// ENAMETOOLONG for a reference that no path element could hold either.
  fileprivate func record() throws(Errno) -> [UInt8] {
    let (kind, image, text): (UInt32, UInt32, String) =
      switch self {
      case .image(let reference): (1, 0, reference)
      case .layer(let image, let key): (2, image, key.description)
      case .tree(let image, let blob, let toc, let size): (3, image, "\(blob) \(toc) \(size)")
      }
    let bytes = Array(text.utf8)
    guard bytes.count <= Self.textLimit else { throw .nameTooLong }
    var record =
      littleEndian(kind) + littleEndian(image) + littleEndian(UInt32(bytes.count)) + bytes
    record += [UInt8](repeating: 0, count: Self.recordSize - 8 - record.count)
    return record + checksum(record)
  }

  fileprivate init?(record: [UInt8]) {
    guard record.count == Self.recordSize,
      Array(record.suffix(8)) == checksum(Array(record.dropLast(8)))
    else { return nil }
    let length = Int(number(record, at: 8))
    guard length <= Self.textLimit else { return nil }
    let text = String(decoding: record[12..<(12 + length)], as: UTF8.self)
    switch number(record, at: 0) {
    case 1: self = .image(reference: text)
    case 2:
      guard let key = try? Digest(text) else { return nil }
      self = .layer(image: number(record, at: 4), key: key)
    case 3:
      let parts = text.split(separator: " ")
      guard parts.count == 3, let blob = try? Digest(parts[0]), let toc = try? Digest(parts[1]),
        let size = Int64(parts[2])
      else { return nil }
      self = .tree(image: number(record, at: 4), blob: blob, toc: toc, size: size)
    default: return nil
    }
  }
}

private func checksum(_ bytes: [UInt8]) -> [UInt8] {
  var result: [UInt8] = []
  // Eight bytes: sixteen hex digits.
  let hex = Array(Digester.digest(of: bytes).hex.utf8.prefix(16))
  for index in stride(from: 0, to: 16, by: 2) {
    let pair = String(decoding: hex[index...(index + 1)], as: UTF8.self)
    result.append(UInt8(pair, radix: 16) ?? 0)
  }
  return result
}

/// The 4 bytes at a place that is there.
private func number(_ record: [UInt8], at place: Int) -> UInt32 {
  record[place..<(place + 4)].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
}

private func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  (0..<(value.bitWidth / 8)).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
}
