import StrataFUSE
import StrataSystem
import Synchronization

/// What is known of how a directory's files are being opened, by which the next ones are read ahead.
///
/// Readahead across files (overlay-design 13): who opens several small files of a directory that was
/// listed will open the others too, in whatever order. What is read in vain is bounded by the window.
package struct DirectoryReadahead: Sendable {
  /// The files opened for the first time.
  var opened = 0
  /// The files given to the kernel ahead, and those of them that were opened since.
  var given = 0, confirmed = 0
  /// The entry of the index up to which all was looked at.
  var cursor: UInt64 = 0
  /// How many files may be given and not yet opened.
  var window = 16
  /// The directory waits in the queue or is being read.
  var isQueued = false
  /// All entries were looked at.
  var isDone = false

  /// Enough opens to believe in more.
  static let threshold = 3
  static let largestWindow = 64
}

/// A small lower file that may be given to the kernel before it is opened.
struct ReadaheadCandidate: Sendable {
  let node: NodeID
  let directory: SharedDescriptor
  let name: RawPath
  /// A file of the lowest layer has its data with it; others may have them below (metacopy).
  let isLowest: Bool
}

extension MergedTree {
  /// The largest file that is read ahead.
  fileprivate static let largestAhead: Int64 = 64 << 10
  /// How many files are read between two uses of the tree's lock, and given under one of it.
  private static let batch = 8

  /// A file was opened to be read, for the first time or the first since it was given ahead.
  func noteOpen(_ slot: Slot) {
    guard let readahead, !isUpper(slot),
      let side = sides.directory(table[table[slot].parent].side), side.index != nil
    else { return }
    side.readahead.opened += 1
    if table[slot].flags.contains(.givenAhead) {
      table[slot].flags.remove(.givenAhead)
      side.readahead.confirmed += 1
      filesAheadOpened += 1
    }
    let state = side.readahead
    let ahead = state.given - state.confirmed
    guard !state.isQueued, !state.isDone, state.opened >= readaheadThreshold,
      ahead <= state.window / 2
    else { return }
    if state.given > 0, state.confirmed * 4 >= state.given * 3 {
      side.readahead.window = min(state.window * 2, DirectoryReadahead.largestWindow)
    }
    side.readahead.isQueued = readahead.add(table.id(of: table[slot].parent))
  }

  /// A mount whose guesses come true begins at the first open of a directory.
  private var readaheadThreshold: Int {
    filesAheadOpened >= 32 && filesAheadOpened * 4 >= filesAhead * 3
      ? 1 : DirectoryReadahead.threshold
  }

  /// The next files of a directory to read; none when enough are under way or all were looked at, and
  /// then the directory may be queued again.
  func readaheadCandidates(of directory: NodeID) -> [ReadaheadCandidate] {
    guard let slot = try? table.slot(of: directory), let side = sides.directory(table[slot].side)
    else { return [] }
    let state = side.readahead
    let wanted = min(Self.batch, state.window - (state.given - state.confirmed))
    var result: [ReadaheadCandidate] = []
    while result.count < wanted, let entry = side.index?.next(after: side.readahead.cursor) {
      side.readahead.cursor = entry.cookie
      if let candidate = candidate(entry, in: slot, side) { result.append(candidate) }
    }
    if result.count < wanted { side.readahead.isDone = true }
    if result.isEmpty { side.readahead.isQueued = false }
    return result
  }

  private func candidate(
    _ entry: DirectoryIndex.Entry, in parent: Slot, _ side: DirectorySide
  ) -> ReadaheadCandidate? {
    guard entry.type == .regular, !entry.flags.contains(.upper),
      let name = side.index?.name(of: entry), let slot = table.find(name, in: parent),
      isUnread(slot),
      let directory = try? descriptor(of: parent, layer: table[slot].layer)
    else { return nil }
    return ReadaheadCandidate(
      node: table.id(of: slot), directory: directory, name: name,
      isLowest: Int(table[slot].layer) == layers.count - 1)
  }

  /// A lower file that the kernel knows, nobody has open, and nobody has opened yet.
  private func isUnread(_ slot: Slot) -> Bool {
    guard table[slot].type == .regular, !isUpper(slot), table[slot].lookups > 0,
      table[slot].flags.isDisjoint(with: [.wasOpened, .orphan])
    else { return false }
    return existingFileSide(slot).map { $0.opens == 0 && $0.data == nil } ?? true
  }

  /// Gives the kernel what was read, of files that are still as they were.
  ///
  /// Under the tree's lock as at an open, for the same reason: nobody has the file open, and nobody
  /// can open it before this is over.
  func give(_ files: [(ReadaheadCandidate, FileContent)], of directory: NodeID) {
    guard let pages else { return }
    var given = 0
    for (file, content) in files {
      guard let slot = try? table.slot(of: file.node), isUnread(slot),
        pages.store(file.node, content)
      else { continue }
      table[slot].flags.insert([.wasOpened, .givenAhead])
      given += 1
    }
    filesAhead += given
    guard let slot = try? table.slot(of: directory), let side = sides.directory(table[slot].side)
    else { return }
    side.readahead.given += given
  }
}

extension ReadaheadCandidate {
  /// Reads the file without the tree's lock, since lower files do not change.
  ///
  /// Nil if it is not small, or has its data elsewhere.
  func read(for pages: Notifier, limit: Int64) -> FileContent? {
    guard
      let file = try? directory.view.openUndated(
        name, [.readOnly, .nonBlocking, .noFollow]),
      let status = try? file.view.status(), status.type == .regular,
      (1...limit).contains(status.size)
    else { return nil }
    if !isLowest, status.blocks <= 8, MergedTree.isMetacopy(file.view) { return nil }
    return pages.content(of: file.view, count: Int(status.size))
  }
}

extension OverlayFileSystem {
  /// Reads a directory's next files, until as many are under way as may be.
  func readAhead(_ directory: NodeID, _ pages: Notifier) {
    while true {
      let candidates = tree.withLock { $0.readaheadCandidates(of: directory) }
      if candidates.isEmpty { return }
      let files = candidates.compactMap { candidate in
        candidate.read(for: pages, limit: MergedTree.largestAhead).map { (candidate, $0) }
      }
      tree.withLock { $0.give(files, of: directory) }
    }
  }
}
