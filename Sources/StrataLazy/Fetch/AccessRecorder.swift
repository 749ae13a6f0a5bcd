import Synchronization

/// Notes which chunks are read first while somebody records a run.
final class AccessRecorder: Sendable {
  private struct Record {
    var order: [Int] = []
    var seen: Set<Int> = []
  }

  private struct State {
    /// Recordings under way.
    var count = 0
    /// By the slot of the tree.
    var records: [UInt32: Record] = [:]
  }

  private let state = Mutex(State())
  private let isOn = Atomic<Bool>(false)

  /// Whether reads are noted: then files are to be opened without the pages that the kernel has of them.
  var isRecording: Bool { isOn.load(ordering: .relaxed) }

  func begin() {
    state.withLock { state in
      if state.count == 0 { state.records = [:] }
      state.count += 1
      isOn.store(true, ordering: .relaxed)
    }
  }

  /// What was read since the beginning, by tree.
  func end() -> [UInt32: [Int]] {
    state.withLock { state in
      state.count = max(0, state.count - 1)
      if state.count == 0 { isOn.store(false, ordering: .relaxed) }
      return state.records.mapValues(\.order)
    }
  }

  /// A reader wants these chunks of a tree.
  func note(_ slot: UInt32, _ numbers: Range<Int>) {
    guard isRecording else { return }
    state.withLock { state in
      for number in numbers {
        guard state.records[slot, default: Record()].seen.insert(number).inserted else { continue }
        if state.records[slot, default: Record()].order.count < AccessOrder.limit {
          state.records[slot, default: Record()].order.append(number)
        }
      }
    }
  }
}
