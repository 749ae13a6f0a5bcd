import StrataFUSE
import StrataSystem

/// A directory's entries, looked up before the kernel asks for its listing.
///
/// Each entry's node is held as by a child, and its lookup is counted when the entry is sent.
struct PreparedListing {
  struct Entry {
    let cookie: UInt64
    let slot: Slot
    let status: FileStatus
  }

  var entries: [Entry] = []
  /// Of the index when the first of them was looked up: they mean nothing to a changed one.
  let revision: UInt32
  /// Up to where they are complete, and whether that is the end.
  var cookie: UInt64 = 0
  var isComplete = false
}

/// The prepared entries of a listing that is being answered, in its order.
struct PreparedEntries {
  private let entries: [PreparedListing.Entry]
  private var next = 0

  init(_ side: DirectorySide, _ index: DirectoryIndex) {
    if let prepared = side.prepared, prepared.revision == index.revision {
      entries = prepared.entries
    } else {
      entries = []
    }
  }

  /// What was found for an entry; nil where it has to be looked at now.
  ///
  /// Only lower files were looked at, whose attributes do not change as long as they are that.
  mutating func take(_ entry: DirectoryIndex.Entry, in table: NodeTable) -> (Slot, FileStatus)? {
    while next < entries.count, entries[next].cookie < entry.cookie { next += 1 }
    guard next < entries.count, entries[next].cookie == entry.cookie,
      !table[entries[next].slot].flags.contains(.upper)
    else { return nil }
    return (entries[next].slot, entries[next].status)
  }
}

/// Which directories are to be prepared for a walk over the tree, and how far its order was foreseen.
///
/// `find`, `du`, `tar` and their kin list a directory, then go down its directories in the order of the
/// listing. After two steps in that order the next few directories are prepared by the reader of
/// requests while no request waits (docs/adr/0025).
struct ListingAhead {
  /// Where the walk is expected to go on, the nearest first.
  var expected: [NodeID] = []
  /// Of these, the ones that are not prepared yet.
  var wanted: [NodeID] = []
  /// Those that are prepared, or partly so, and were not listed yet; the oldest first.
  var prepared: [NodeID] = []
  /// How many listings in a row were foreseen.
  var foreseen = 0
  /// Directories that were prepared, and those of them that were listed then.
  var made = 0, used = 0

  /// How many directories are looked at ahead.
  static let window = 4
  /// How many listings in the order of a walk make one.
  static let threshold = 2
  /// Entries that one step looks up.
  static let batch = 16
  /// Larger directories are not prepared, and no more entries are searched for directories.
  static let largest = 4096
}

extension MergedTree {
  /// A directory's listing was begun; true if others are to be prepared now.
  func noteListed(_ id: NodeID) -> Bool {
    guard let slot = try? table.slot(of: id) else { return false }
    if let place = listingAhead.prepared.firstIndex(of: id) {
      listingAhead.prepared.remove(at: place)
      listingAhead.used += 1
    }
    sides.directory(table[slot].side)?.needsNoPreparing = true
    let isForeseen = listingAhead.expected.contains(id)
    listingAhead.foreseen = isForeseen ? listingAhead.foreseen + 1 : 0
    listingAhead.expected = followers(of: slot)
    listingAhead.wanted =
      listingAhead.foreseen < ListingAhead.threshold
      ? [] : listingAhead.expected
    return !listingAhead.wanted.isEmpty
  }

  /// The directories that a walk lists after this one: its own, then those behind it and behind those
  /// that it lies in.
  private func followers(of slot: Slot) -> [NodeID] {
    var result: [NodeID] = []
    addDirectories(of: slot, after: 0, to: &result)
    var below = slot
    while result.count < ListingAhead.window, below != .root,
      table[below].flags.contains(.keyed)
    {
      let parent = table[below].parent
      let cookie = DirectoryIndex.cookie(table.name(of: below).bytes, seed: seed)
      // Names of one hash come one after the other; the directory itself is left out below.
      addDirectories(of: parent, after: cookie - 1, but: below, to: &result)
      below = parent
    }
    return result
  }

  private func addDirectories(
    of parent: Slot, after cookie: UInt64, but known: Slot = .none, to result: inout [NodeID]
  ) {
    guard let index = sides.directory(table[parent].side)?.index else { return }
    var position = index.position(after: cookie)
    let end = position + ListingAhead.largest
    while result.count < ListingAhead.window, position < end,
      let entry = index.next(from: &position)
    {
      guard entry.type == .directory,
        let slot = table.find(index.name(of: entry), in: parent), slot != known
      else { continue }
      result.append(table.id(of: slot))
    }
  }

  /// Prepares a little of the next directory; true if there is more to do.
  func prepareListing() -> Bool {
    while let id = listingAhead.wanted.first {
      if let slot = try? table.slot(of: id), let side = sides.directory(table[slot].side),
        prepare(slot, id, side)
      {
        return true
      }
      listingAhead.wanted.removeFirst()
    }
    return false
  }

  /// One step; false if nothing is left to do for the directory.
  private func prepare(_ slot: Slot, _ id: NodeID, _ side: DirectorySide) -> Bool {
    guard !side.needsNoPreparing, !table[slot].flags.contains(.orphan), table[slot].lookups > 0
    else { return false }
    guard let index = side.index else {
      let isListed = (try? ensureIndex(slot, side, limit: ListingAhead.largest)) != nil
      side.needsNoPreparing = !isListed
      return isListed
    }
    if side.prepared?.revision != index.revision {
      guard index.visibleCount <= ListingAhead.largest else { return false }
      dropPrepared(slot, side)
      side.prepared = PreparedListing(revision: index.revision)
      notePrepared(id)
    }
    guard let cookie = side.prepared?.cookie, side.prepared?.isComplete == false else {
      return false
    }
    var position = index.position(after: cookie)
    for _ in 0..<ListingAhead.batch {
      guard let entry = index.next(from: &position) else {
        side.prepared?.isComplete = true
        return false
      }
      side.prepared?.cookie = entry.cookie
      guard !entry.flags.contains(.upper),
        let (node, status) = try? resolve(index.name(of: entry), entry, in: slot, side)
      else { continue }
      table[node].references += 1
      side.prepared?.entries.append(
        PreparedListing.Entry(cookie: entry.cookie, slot: node, status: status))
    }
    return true
  }

  /// Counts a directory, and drops the oldest of those that nobody listed.
  private func notePrepared(_ id: NodeID) {
    listingAhead.made += 1
    listingAhead.prepared.append(id)
    guard listingAhead.prepared.count > 2 * ListingAhead.window else { return }
    if let slot = try? table.slot(of: listingAhead.prepared.removeFirst()),
      let side = sides.directory(table[slot].side)
    {
      dropPrepared(slot, side)
    }
  }

  /// Lets go of the nodes that were looked up ahead, of the directory itself never: that is for the
  /// caller to do.
  func dropPrepared(_ slot: Slot, _ side: DirectorySide) {
    guard let prepared = side.prepared else { return }
    side.prepared = nil
    table[slot].references += 1
    for entry in prepared.entries {
      table[entry.slot].references -= 1
      release(entry.slot)
    }
    table[slot].references -= 1
  }
}
