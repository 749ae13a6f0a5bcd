private import CISAL
import StrataSystem

/// ISA-L's deflate at level 1, with bytes that depend on the input and on how it is cut alone.
///
/// `isal_deflate` of 2.30 to 2.32 hashes a register where its fast loop meets the first byte of a stream:
/// the address of the stream stands in it, and the hash takes the place of that of the third byte. Where
/// it falls on one of the first three positions a match with them is lost or found. The careful loop, for
/// the last bytes before a flush, has no such slip. So the first eight bytes go in by themselves and are
/// flushed: the fast loop starts with a history, and never at a first byte (docs/adr/0028).
@safe
final class ISALDeflate {
  /// What is to follow the bytes that are given.
  enum Ending {
    /// More bytes of the same stream.
    case more
    /// The stream goes on at a byte boundary.
    case boundary
    /// Nothing: the stream ends.
    case end
  }

  private let stream: UnsafeMutablePointer<isal_zstream>
  private let memory: UnsafeMutablePointer<UInt8>
  /// The first bytes of the stream, until there are enough of them.
  private let opening: UnsafeMutablePointer<UInt8>
  private var openingCount = 0
  private var isOpened = false

  // ISAL_DEF_LVL1_DEFAULT, a macro that Swift cannot import: 4 KiB, 2 hash entries of 16 bits for
  // each of 8 Ki, and 64 Ki tokens.
  private static let memorySize = 1 << 19
  /// The careful loop takes all but the last three bytes into the history: any number above three does.
  private static let openingSize = 8
  /// Room for a gzip header, the opening and the empty block behind it, with which a step can begin.
  static let leastRoom = 64

  init() {
    unsafe stream = .allocate(capacity: 1)
    unsafe memory = .allocate(capacity: Self.memorySize)
    unsafe opening = .allocate(capacity: Self.openingSize)
  }

  deinit {
    unsafe stream.deallocate()
    unsafe memory.deallocate()
    unsafe opening.deallocate()
  }

  /// Begins a stream, with gzip's header and trailer or bare.
  func start(isGzip: Bool) {
    unsafe isal_deflate_init(stream)
    unsafe stream.pointee.level = 1
    unsafe stream.pointee.level_buf = memory
    unsafe stream.pointee.level_buf_size = UInt32(Self.memorySize)
    unsafe stream.pointee.gzip_flag = UInt16(isGzip ? IGZIP_GZIP : IGZIP_DEFLATE)
    openingCount = 0
    isOpened = false
  }

  /// Deflates as much of `input` as fits into `output`, which has `leastRoom` at least at the first step.
  ///
  /// `isDone` where all was consumed and, up to the ending, written. `malformed` where the library fails.
  func step(
    _ input: UnsafeRawBufferPointer, _ ending: Ending, into output: UnsafeMutableRawBufferPointer
  ) throws(StreamError) -> (consumed: Int, produced: Int, isDone: Bool) {
    var consumed = 0
    var produced = 0
    if !isOpened {
      consumed = min(Self.openingSize - openingCount, input.count)
      if let base = input.baseAddress {
        unsafe UnsafeMutableRawPointer(opening + openingCount).copyMemory(
          from: base, byteCount: consumed)
        openingCount += consumed
      }
      if openingCount < Self.openingSize, ending == .more { return (consumed, 0, true) }
      isOpened = true
      if openingCount > 0 {
        let start = unsafe UnsafeRawBufferPointer(start: opening, count: openingCount)
        produced = try unsafe call(start, .boundary, into: output).produced
      }
      if consumed == input.count, ending != .end { return (consumed, produced, true) }
    }
    let rest = unsafe try call(
      UnsafeRawBufferPointer(rebasing: input.dropFirst(consumed)), ending,
      into: UnsafeMutableRawBufferPointer(rebasing: output.dropFirst(produced)))
    return (consumed + rest.consumed, produced + rest.produced, rest.isDone)
  }

  private func call(
    _ input: UnsafeRawBufferPointer, _ ending: Ending, into output: UnsafeMutableRawBufferPointer
  ) throws(StreamError) -> (consumed: Int, produced: Int, isDone: Bool) {
    // The library does not write through next_in.
    unsafe stream.pointee.next_in = UnsafeMutablePointer(
      mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
    unsafe stream.pointee.avail_in = UInt32(clamping: input.count)
    unsafe stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
    unsafe stream.pointee.avail_out = UInt32(clamping: output.count)
    unsafe stream.pointee.flush = UInt16(ending == .boundary ? SYNC_FLUSH : NO_FLUSH)
    unsafe stream.pointee.end_of_stream = ending == .end ? 1 : 0
    let (offered, room) = unsafe (Int(stream.pointee.avail_in), Int(stream.pointee.avail_out))
    if unsafe isal_deflate(stream) != COMP_OK {
      throw StreamError(.malformed, "gzip: the compressor failed")
    }
    let consumed = unsafe offered - Int(stream.pointee.avail_in)
    let left = unsafe Int(stream.pointee.avail_out)
    // Room that is left says that everything was written out.
    let isDone =
      ending == .end
      ? unsafe stream.pointee.internal_state.state == ZSTATE_END
      : consumed == input.count && left > 0
    return (consumed, room - left, isDone)
  }
}
