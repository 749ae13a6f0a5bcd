import StrataCompression
import StrataDigest
import StrataModel
import StrataSystem

/// A row of a TOC that is being written, and where its chunks have come to lie.
final class FrameGroup {
  let header: TarHeader
  let kind: TOCEntry.Kind
  var digest: SHA256Value?
  var pieces: [Piece] = []
  /// Chunks whose frames are not written yet.
  var missing = 0
  var isClosed = false

  struct Piece {
    var length: Int64
    var place: BlobRange
    var digest: SHA256Value
  }

  init(_ header: TarHeader, _ kind: TOCEntry.Kind) {
    self.header = header
    self.kind = kind
  }
}

/// Compresses blocks on several threads and writes them in order, each as a member or frame of its own;
/// rows go to the TOC in order when their last frame is written.
final class FrameQueue: ByteSink {
  static let blockSize = 1 << 20
  private let sink: any ByteSink
  private let toc: TOCText
  private let workers: OrderedWorkers
  /// How much was written to the blob.
  private(set) var position: Int64 = 0
  /// What each block that was given belongs to, and its length; nil for headers and padding.
  private var given: [(group: FrameGroup?, length: Int)] = []
  private var groups: [FrameGroup] = []
  private var firstGroup = 0

  init(_ form: ChunkedForm, to sink: any ByteSink, _ toc: TOCText, _ threads: Int)
    throws(StreamError)
  {
    self.sink = sink
    self.toc = toc
    workers = try OrderedWorkers(
      count: max(1, threads), inputSize: Self.blockSize, outputSize: HashedMember.outputSize
    ) { () throws(StreamError) in try HashedMember(form.compression) }
  }

  /// A row begins.
  func open(_ group: FrameGroup) { groups.append(group) }

  /// All blocks of a row were given.
  func close(_ group: FrameGroup) throws(StreamError) {
    group.isClosed = true
    try writeRows()
  }

  func give(_ block: RawSpan, to group: FrameGroup?) throws(StreamError) {
    if !workers.hasRoom { try take() }
    workers.give(block)
    given.append((group, block.byteCount))
    group?.missing += 1
  }

  private func take() throws(StreamError) {
    let (group, length) = given.removeFirst()
    try workers.take { (bytes, _) throws(StreamError) in
      let frame = bytes.extracting(droppingFirst: 32)
      if let group {
        guard let digest = SHA256Value(bytes: [UInt8](bytes.extracting(first: 32))) else { return }
        group.pieces.append(
          FrameGroup.Piece(
            length: Int64(length),
            place: BlobRange(offset: position, length: Int64(frame.byteCount)), digest: digest))
        group.missing -= 1
      }
      try write(frame)
    }
    try writeRows()
  }

  private func writeRows() throws(StreamError) {
    while firstGroup < groups.count, groups[firstGroup].isClosed, groups[firstGroup].missing == 0 {
      try toc.append(groups[firstGroup])
      firstGroup += 1
    }
    if firstGroup > 1024 {
      groups.removeSubrange(..<firstGroup)
      firstGroup = 0
    }
  }

  /// Waits for all blocks.
  func finish() throws(StreamError) {
    while workers.isBusy { try take() }
    try writeRows()
  }

  /// Writes bytes that need no compression.
  func write(_ bytes: RawSpan) throws(StreamError) {
    try sink.write(bytes)
    position += Int64(bytes.byteCount)
  }
}

/// The SHA-256 of a block, and behind it the block as a member or frame.
private final class HashedMember: BlockTransform {
  private let member: MemberTransform
  private let frame = ByteBuffer(capacity: MemberTransform.outputSize(FrameQueue.blockSize))

  static let outputSize = MemberTransform.outputSize(FrameQueue.blockSize) + 32

  init(_ compression: Compression) throws(StreamError) {
    member = try MemberTransform(compression)
  }

  func transform(_ input: RawSpan, into output: ByteBuffer) throws(StreamError) -> UInt64 {
    let number = try member.transform(input, into: frame)
    output.clear()
    output.append(Digester.sha256(of: input).bytes.rawSpan)
    frame.withBytes { output.append($0) }
    return number
  }
}
