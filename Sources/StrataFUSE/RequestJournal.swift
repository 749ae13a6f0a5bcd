import Glibc
package import StrataSystem
import Synchronization

/// The requests that were taken from the device and are not answered yet, in memory that outlives the
/// process that took them.
///
/// Whoever holds that memory and the device can start another process after one was killed: it answers
/// what it finds here, and callers of the file system see no more than a delay. The kernel helps in
/// nothing of this: a request that was read is not given again.
///
/// A request is in the journal by construction. It is read straight into a slot whose first bytes were
/// zero, so that the kernel's own copy of the length, which no request has as 0, marks the slot as
/// taken; no instruction lies between receiving and recording. The mark goes when the answer was sent. In
/// between the answer may be sent twice, which the kernel refuses with ENOENT and which does no harm.
///
/// Memory: a page of words (see `Word`), a byte of suspicion for each slot, the INIT request, then the
/// slots. Slots are given out last in, first out, so that few of their pages are ever touched.
package final class RequestJournal: Sendable {
  /// As many requests as may wait at once; further ones wait in the kernel.
  package static let capacity = 4096
  /// The kernel's least buffer; the largest WRITE must leave room for its headers.
  static let slotSize = 8192
  /// The memory that a journal needs, a multiple of the page size.
  package static let size = slotsStart + capacity * slotSize

  private enum Word {
    /// `STRATAJ` and the version of this layout.
    static let magic = 0
    /// A number of the mount.
    static let generation = 8
    /// The slot that is being worked on by the reader, counted from 1; 0 for none.
    static let current = 16
    /// 0; 1 when the answer to INIT is written down; 2 when it was sent.
    static let negotiated = 24
    /// How many processes have served.
    static let starts = 32
    /// `fuse_out_header` and `fuse_init_out`, 80 bytes.
    static let answer = 64
  }

  private static let magic: UInt64 = 0x31_4a41_5441_5254_53  // "STRATAJ1" as it lies in memory
  private static let suspicionStart = 4096
  private static let initStart = 8192
  private static let slotsStart = 16384
  static let answerSize = 80

  private struct State {
    var free: [Int]
    /// The slot of each request that is not answered, by its number.
    var slots: [UInt64: Int] = [:]
  }

  private let memory: SharedMemory
  private let state: Mutex<State>

  /// Lays a journal out in fresh memory; `generation` names the mount.
  package static func prepare(_ memory: SharedMemory, generation: UInt64) {
    memory[Word.generation] = generation
    memory[Word.magic] = magic
  }

  /// Opens the journal in memory that another process has prepared; EPROTO for another layout.
  package init(_ memory: SharedMemory) throws(Errno) {
    guard memory[Word.magic] == Self.magic else { throw .protocolError }
    self.memory = memory
    var free: [Int] = []
    for slot in (0..<Self.capacity).reversed() where memory[Self.place(slot)] == 0 {
      free.append(slot)
    }
    state = Mutex(State(free: free))
    memory[Word.starts] += 1
  }

  /// The number of the mount.
  package var generation: UInt64 { memory[Word.generation] }

  /// How many processes have served the mount, the present one included.
  package var starts: UInt64 { memory[Word.starts] }

  /// Whether the mount can be used: INIT was answered.
  package static func isServing(_ memory: SharedMemory) -> Bool { memory[Word.negotiated] == 2 }

  /// How many requests wait for their answer.
  package var waitingCount: Int { state.withLock { $0.slots.count } }

  // MARK: - INIT

  /// Where INIT is read; its first word is not 0 once it was.
  var initBuffer: UnsafeMutableRawBufferPointer {
    unsafe part(Self.initStart, Self.slotSize)
  }

  /// The request INIT, if a process has taken it.
  var initRequest: UnsafeRawBufferPointer? {
    let length = Int(UInt32(truncatingIfNeeded: memory[Self.initStart]))
    guard length >= Request.headerSize, length <= Self.slotSize else { return nil }
    return unsafe UnsafeRawBufferPointer(part(Self.initStart, length))
  }

  /// The answer to INIT with its header, which a process writes once.
  var initAnswer: UnsafeMutableRawBufferPointer { unsafe part(Word.answer, Self.answerSize) }

  /// How far the exchange has come; goes up only.
  var negotiated: UInt64 {
    get { memory[Word.negotiated] }
    set { memory[Word.negotiated] = newValue }
  }

  // MARK: - Slots

  /// A slot to read the next request into, marked as free until the kernel writes there.
  ///
  /// Only the reader calls it. Waits while all are taken.
  func take() -> Int {
    while true {
      if let slot = state.withLock({ $0.free.popLast() }) {
        // Only the length is the mark; whatever lies behind it is overwritten with it.
        memory[Self.place(slot)] = 0
        return slot
      }
      pause(milliseconds: 1)
    }
  }

  func buffer(_ slot: Int) -> UnsafeMutableRawBufferPointer {
    unsafe part(Self.place(slot), Self.slotSize)
  }

  /// The request in a slot has this number; `finished` finds the slot by it.
  func began(_ unique: UInt64, in slot: Int) {
    state.withLock { $0.slots[unique] = slot }
    memory[Word.current] = UInt64(slot + 1)
  }

  /// The reader is done with the request, which may wait for its answer still.
  func left() { memory[Word.current] = 0 }

  /// A request was answered, or needs no answer.
  func finished(_ unique: UInt64) {
    state.withLock { state in
      guard let slot = state.slots.removeValue(forKey: unique) else { return }
      memory[Self.place(slot)] = 0
      unsafe part(Self.suspicionStart + slot, 1)[0] = 0
      state.free.append(slot)
    }
  }

  /// Gives back a slot that holds no request.
  func giveBack(_ slot: Int) {
    memory[Self.place(slot)] = 0
    state.withLock { $0.free.append(slot) }
  }

  /// A request that another process has left.
  struct LeftOver {
    var slot: Int
    var length: Int
    var unique: UInt64
    /// How many processes died while their reader worked on it.
    var suspicion: UInt8
  }

  /// The requests that the processes before this one have not answered, oldest first; to be asked once.
  ///
  /// Whatever a reader was working on when its process died may be what kills it.
  func leftOver() -> [LeftOver] {
    let current = Int(truncatingIfNeeded: memory[Word.current])
    if current > 0, current <= Self.capacity {
      let mark = unsafe part(Self.suspicionStart + current - 1, 1)
      unsafe mark[0] = unsafe mark[0] &+ 1
      memory[Word.current] = 0
    }
    var found: [LeftOver] = []
    for slot in 0..<Self.capacity where memory[Self.place(slot)] != 0 {
      let buffer = unsafe buffer(slot)
      let length = unsafe Int(buffer.load(as: UInt32.self))
      guard length >= Request.headerSize, length <= Self.slotSize else {
        giveBack(slot)
        continue
      }
      found.append(
        LeftOver(
          slot: slot, length: length,
          unique: unsafe buffer.load(fromByteOffset: 8, as: UInt64.self),
          suspicion: unsafe part(Self.suspicionStart + slot, 1)[0]))
    }
    return found.sorted { $0.unique < $1.unique }
  }

  // MARK: - Places

  private static func place(_ slot: Int) -> Int { slotsStart + slot * slotSize }

  private func part(_ start: Int, _ count: Int) -> UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(rebasing: memory.bytes[start..<(start + count)])
  }
}
