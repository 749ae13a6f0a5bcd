import StrataFUSE
import StrataSystem

/// Directories whose files are to be read ahead, and the thread that does it.
///
/// The thread starts with the first of them, on the reader of requests, which has no signals to
/// block any more by then. Lock order: the tree's lock, then this one.
final class ReadaheadQueue: Sendable {
  private struct State {
    var directories: [NodeID] = []
    var hasThread = false
  }

  private let state = Monitor(State())
  private let serve: @Sendable (NodeID) -> Void

  init(_ serve: @escaping @Sendable (NodeID) -> Void) { self.serve = serve }

  /// False if no thread is to be had: then nothing is read ahead for now.
  func add(_ directory: NodeID) -> Bool {
    let hasThread = state.change { state in
      state.directories.append(directory)
      defer { state.hasThread = true }
      return state.hasThread
    }
    if hasThread { return true }
    do throws(Errno) {
      try startDetachedThread { [self] in
        while true {
          serve(state.wait { $0.directories.isEmpty ? nil : $0.directories.removeFirst() })
        }
      }
      return true
    } catch {
      state.change { $0 = State() }
      return false
    }
  }
}
