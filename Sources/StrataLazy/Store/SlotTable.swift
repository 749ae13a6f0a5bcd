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
/// out; one that is cut short (power, `kill -9`) was never given out.
///
/// File: a header of one record (magic `STRATASL`, version, generation), then records of 512 bytes:
/// kind, image slot, length of the text, text, and in the last 8 bytes the first 8 of the record's
/// SHA-256.
final class SlotTable: Sendable {
  private struct State {
    /// Index 0 is slot 1.
    var subjects: [SlotSubject] = []
    var slots: [SlotSubject: UInt32] = [:]

    mutating func add(
      _ subject: SlotSubject, _ record: [UInt8], _ file: SharedDescriptor
    ) -> Result<UInt32, Errno> {
      let identity = subject.identity
      if let known = slots[identity] { return .success(known) }
      let number = subjects.count + 1
      guard number <= SlotTable.limit else { return .failure(.noSpace) }
      do throws(Errno) {
        try file.view.writeAll(record.rawSpan, at: Int64(SlotTable.recordSize * number))
      } catch { return .failure(error) }
      subjects.append(subject)
      slots[identity] = UInt32(number)
      return .success(UInt32(number))
    }
  }

  private static let recordSize = 512
  private static let magic = Array("STRATASL".utf8)
  /// More names than any host has layers: whoever may walk the mount could make them without end.
  private static let limit = 1 << 20

  private let file: SharedDescriptor
  private let state: Mutex<State>

  /// Opens `slots` in the state directory.
  ///
  /// `generation` names the mount: a file of another one is begun anew. Errors of the file.
  init(_ directory: FileDescriptor, generation: UInt64) throws(Errno) {
    file = SharedDescriptor(
      try directory.open("slots", [.readWrite, .create, .noFollow], mode: 0o600))
    var head = Self.magic + littleEndian(1) + littleEndian(generation)
    head += [UInt8](repeating: 0, count: Self.recordSize - head.count)
    var state = State()
    if try file.view.bytes(Self.recordSize, at: 0) == head {
      while state.subjects.count < Self.limit {
        let place = Int64(Self.recordSize * (state.subjects.count + 1))
        let record = try file.view.bytes(Self.recordSize, at: place)
        guard let subject = SlotSubject(record: record) else { break }
        state.subjects.append(subject)
        state.slots[subject.identity] = UInt32(state.subjects.count)
      }
    } else {
      try file.view.truncate(to: 0)
      try file.view.writeAll(head.rawSpan, at: 0)
    }
    self.state = Mutex(state)
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
      slot >= 1 && Int(slot) <= state.subjects.count ? state.subjects[Int(slot) - 1] : nil
    }
  }

  /// All slots of a kind that `body` chooses, lowest first.
  func slots<Value>(_ body: (UInt32, SlotSubject) -> Value?) -> [Value] {
    let subjects = state.withLock { $0.subjects }
    return subjects.enumerated().compactMap { body(UInt32($0.offset + 1), $0.element) }
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
    func number(_ place: Int) -> UInt32 {
      record[place..<(place + 4)].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    }
    let length = Int(number(8))
    guard length <= Self.textLimit else { return nil }
    let text = String(decoding: record[12..<(12 + length)], as: UTF8.self)
    switch number(0) {
    case 1: self = .image(reference: text)
    case 2:
      guard let key = try? Digest(text) else { return nil }
      self = .layer(image: number(4), key: key)
    case 3:
      let parts = text.split(separator: " ")
      guard parts.count == 3, let blob = try? Digest(parts[0]), let toc = try? Digest(parts[1]),
        let size = Int64(parts[2])
      else { return nil }
      self = .tree(image: number(4), blob: blob, toc: toc, size: size)
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

private func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  (0..<(value.bitWidth / 8)).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
}
