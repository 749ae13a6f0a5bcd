package import StrataSystem

/// The counts of `use` in memory of the holder, so that a worker that is killed loses none and the one
/// after it counts none twice.
///
/// A word of 8 bytes for each slot of `SlotTable`: the count above, the lowest 40 bits of the number of
/// the last request that changed it below; 0 where none has since the mount was made. The reader changes
/// counts itself and one at a time, so a request that is given to the next worker again is at most the
/// last one of its word.
package struct UseLedger: Sendable {
  /// Twice as many as `SlotTable` gives out, whose numbers need not begin at 1.
  static let capacity = 1 << 21
  package static let size = capacity * 8
  private static let requestMask: UInt64 = 1 << 40 - 1

  private let memory: SharedMemory
  private let start: Int

  /// The ledger at an offset of the memory, a multiple of 8.
  package init(_ memory: SharedMemory, at start: Int) {
    self.memory = memory
    self.start = start
  }

  struct Entry: Hashable {
    var count: Int
    /// Of its number, the lowest 40 bits.
    var lastRequest: UInt64

    func isLast(_ request: UInt64) -> Bool { request & UseLedger.requestMask == lastRequest }
  }

  /// What is known of a slot; nil: nothing.
  subscript(slot: UInt32) -> Entry? {
    guard slot < Self.capacity else { return nil }
    let word = memory[start + Int(slot) * 8]
    if word == 0 { return nil }
    return Entry(count: Int(word >> 40), lastRequest: word & Self.requestMask)
  }

  /// Remembers a count, of at most 24 bits, and the request that made it.
  func set(_ slot: UInt32, count: Int, request: UInt64) {
    guard slot < Self.capacity else { return }
    memory[start + Int(slot) * 8] =
      UInt64(min(count, 1 << 24 - 1)) << 40 | request & Self.requestMask
  }
}
