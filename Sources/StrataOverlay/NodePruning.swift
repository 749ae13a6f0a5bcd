import StrataFUSE
import StrataSystem
import Synchronization

/// When the kernel is asked to let go of nodes, and which it is asked for next.
///
/// A node stays here as long as the kernel remembers it, and that may be for as long as it has memory:
/// a walk over a million files would leave a million nodes. Nodes are asked for in the order of their
/// slots, which is about the order in which they came to be known (overlay-design 2).
struct NodePruning {
  private let limit: Int
  /// The number of nodes from which on it is asked.
  private var bound: Int
  /// Where the last pass ended.
  private var hand = Slot.root

  /// How many nodes one message names.
  private static let batch = 1024

  init(limit: Int) {
    self.limit = max(limit, 1)
    bound = self.limit
  }

  func isDue(_ table: NodeTable) -> Bool { table.count > bound }

  /// Begins a pass, which is over when a quarter of the limit was asked for; the next begins when the
  /// number has grown by an eighth of it all the same.
  mutating func begin(_ table: NodeTable) -> Int {
    let share = limit / 4 + 1
    bound = max(limit, table.count - share + limit / 8 + 1)
    return share
  }

  /// It cannot be asked.
  mutating func stop() { bound = .max }

  /// The next nodes that nobody here needs; empty when there are none.
  mutating func candidates(_ left: Int, _ tree: MergedTree) -> [NodeID] {
    var result: [NodeID] = []
    var looked = 0
    while result.count < min(left, Self.batch), looked < tree.table.count,
      let slot = tree.table.next(after: hand)
    {
      looked += 1
      hand = slot
      let record = tree.table[slot]
      guard record.lookups > 0, record.references == 0,
        (tree.existingFileSide(slot)?.opens ?? 0) == 0,
        // Where origins cannot be recorded the node alone knows the number of a copied file's lower.
        !record.flags.contains(.upper) || tree.followsOrigins || record.type == .directory
      else { continue }
      result.append(tree.table.id(of: slot))
    }
    return result
  }
}

/// The thread that asks: the kernel may take locks for it that a request holds.
///
/// It starts with the first asking.
final class NodePruner: Sendable {
  private struct State {
    var isAsked = false
    var hasThread = false
  }

  private let state = Monitor(State())
  private let prune: @Sendable () -> Void

  init(_ prune: @escaping @Sendable () -> Void) { self.prune = prune }

  func ask() {
    let hasThread = state.change { state in
      state.isAsked = true
      defer { state.hasThread = true }
      return state.hasThread
    }
    if hasThread { return }
    do throws(Errno) {
      try startDetachedThread { [self] in
        while true {
          state.wait { $0.isAsked ? ($0.isAsked = false) : nil }
          prune()
        }
      }
    } catch {
      state.change { $0.hasThread = false }
    }
  }
}

extension OverlayFileSystem {
  /// One pass over the nodes that the kernel knows.
  func pruneNodes(_ notifier: Notifier) {
    var left = tree.withLock { $0.pruning.begin($0.table) }
    while left > 0 {
      let nodes = tree.withLock { tree in tree.pruning.candidates(left, tree) }
      if nodes.isEmpty { return }
      guard notifier.prune(nodes) else {
        tree.withLock { $0.pruning.stop() }
        return
      }
      left -= nodes.count
    }
  }
}
