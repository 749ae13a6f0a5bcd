package import StrataSystem

/// The merged content of one directory: what LOOKUP, READDIR, emptiness and "does a lower have this
/// name" are answered from.
///
/// Entries are ordered by a keyed hash of their names, which is also the READDIR cookie: an index may
/// be thrown away and made again, and the directory may change between two calls, and still every
/// name that is there all the time is listed exactly once. New entries gather in a short unsorted
/// tail, so that a creation costs no move of the whole.
package struct DirectoryIndex: Sendable {
  /// What holds for one name.
  package struct Entry: Sendable {
    /// The position from which a listing goes on behind this entry; unique in the index.
    package var cookie: UInt64
    /// The number to list; 0 until the layer's own number is turned into the shown one.
    package var inode: UInt64
    var nameOffset: UInt32
    /// 0: no directories; else 1 + the place in `chains` of the number of lower directories that
    /// merge, followed by their layers.
    var chain: UInt32 = 0
    var nameLength: UInt16
    /// The topmost lower layer with a visible object; `noLayer` if no lower has the name.
    package var lowerLayer: UInt16 = noLayer
    /// The type of that object.
    package var lowerType: FileType = .unknown
    /// The type of the visible object, upper or lower.
    package var type: FileType = .unknown
    package var flags: EntryFlags = []

    /// Whether a user sees the name.
    package var isVisible: Bool {
      !flags.contains(.removed)
        && (flags.contains(.upper) || (lowerLayer != noLayer && !flags.contains(.hidden)))
    }

    /// Whether some lower layer has the name, hidden or not: then its removal needs a whiteout.
    package var hasLower: Bool { lowerLayer != noLayer }
  }

  package struct EntryFlags: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The upper layer has an object of this name.
    package static let upper = EntryFlags(rawValue: 1)
    /// Something in the upper layer hides the lower's object.
    package static let hidden = EntryFlags(rawValue: 2)
    /// What hides it is a file `.wh.NAME`, not an object called NAME.
    package static let marker = EntryFlags(rawValue: 4)
    /// No longer there; dropped when the tail is merged in.
    package static let removed = EntryFlags(rawValue: 8)
    /// The upper's directory hides what lies below it.
    package static let opaque = EntryFlags(rawValue: 16)
  }

  /// Stands for "no layer".
  package static let noLayer = UInt16.max
  private static let tailLimit = 256
  /// Cookies below are those of `.` and `..`.
  package static let firstCookie: UInt64 = 16

  var sorted: [Entry] = []
  private var tail: [Entry] = []
  var names: [UInt8] = []
  var chains: [UInt16] = []
  private var deadNames = 0
  private let seed: UInt64
  /// How many names a user sees.
  package private(set) var visibleCount = 0
  /// Counts the changes.
  private(set) var revision: UInt32 = 0

  init(seed: UInt64) { self.seed = seed }

  /// An index of a directory in which nothing is.
  package static func empty(seed: UInt64) -> DirectoryIndex { DirectoryIndex(seed: seed) }

  /// About how much memory it takes.
  package var byteCount: Int {
    sorted.capacity * MemoryLayout<Entry>.stride + tail.capacity * MemoryLayout<Entry>.stride
      + names.capacity + chains.capacity * 2 + 128
  }

  package func name(of entry: Entry) -> RawPath {
    let start = Int(entry.nameOffset)
    return RawPath(names[start..<(start + Int(entry.nameLength))])
  }

  /// The lower layers whose directories of this name merge, topmost first.
  package func lowerDirectories(of entry: Entry) -> [UInt16] {
    guard entry.chain != 0 else { return [] }
    let place = Int(entry.chain) - 1
    return Array(chains[(place + 1)...(place + Int(chains[place]))])
  }

  // MARK: - Finding

  /// What is known of a name, hidden ones too.
  package func entry(_ name: RawPath) -> Entry? {
    switch place(of: name) {
    case .sorted(let index): sorted[index]
    case .tail(let index): tail[index]
    case .none: nil
    }
  }

  private enum Place {
    case sorted(Int)
    case tail(Int)
  }

  private func place(of name: RawPath) -> Place? {
    let cookie = Self.cookie(name.bytes, seed: seed)
    var index = sorted.firstIndex(atLeast: cookie)
    while index < sorted.count, sorted[index].cookie & ~7 == cookie {
      if matches(sorted[index], name) { return .sorted(index) }
      index += 1
    }
    for (index, entry) in tail.enumerated()
    where entry.cookie & ~7 == cookie && matches(entry, name) {
      return .tail(index)
    }
    return nil
  }

  private func matches(_ entry: Entry, _ name: RawPath) -> Bool {
    let start = Int(entry.nameOffset)
    return !entry.flags.contains(.removed) && Int(entry.nameLength) == name.count
      && names[start..<(start + name.count)].elementsEqual(name.bytes)
  }

  /// The first visible entry behind a cookie.
  ///
  /// Call `mergeTail` before a run of these.
  package func next(after cookie: UInt64) -> Entry? {
    var position = position(after: cookie)
    return next(from: &position)
  }

  /// Where the entries behind a cookie begin.
  func position(after cookie: UInt64) -> Int { sorted.firstIndex(atLeast: cookie + 1) }

  /// The first visible entry from a position on, which moves behind it.
  func next(from position: inout Int) -> Entry? {
    while position < sorted.count {
      position += 1
      if sorted[position - 1].isVisible { return sorted[position - 1] }
    }
    return nil
  }

  /// Whether the upper directory holds whiteouts or marker files that a removal has to clean.
  package var hasHiddenNames: Bool {
    let isHidden = { (entry: Entry) in
      !entry.flags.contains(.removed) && !entry.flags.isDisjoint(with: [.hidden, .marker])
    }
    return sorted.contains(where: isHidden) || tail.contains(where: isHidden)
  }

  // MARK: - Changing

  /// Changes what is known of a name, which is added if it is new.
  package mutating func update(_ name: RawPath, _ change: (inout Entry) -> Void) {
    revision &+= 1
    let place = place(of: name)
    var entry = entry(name) ?? newEntry(name)
    let before = place != nil && entry.isVisible
    change(&entry)
    visibleCount += (entry.isVisible ? 1 : 0) - (before ? 1 : 0)
    switch place {
    case .sorted(let index): sorted[index] = entry
    case .tail(let index): tail[index] = entry
    case .none:
      tail.append(entry)
      if tail.count >= Self.tailLimit { mergeTail() }
    }
  }

  /// Adds the entry that comes last in order; for the builder.
  mutating func append(_ entry: Entry) {
    sorted.append(entry)
    if entry.isVisible { visibleCount += 1 }
  }

  /// Forgets a name of which nothing is left in any layer.
  package mutating func remove(_ name: RawPath) {
    guard place(of: name) != nil else { return }
    update(name) { $0.flags = .removed }
    deadNames += name.count
  }

  private mutating func newEntry(_ name: RawPath) -> Entry {
    let hash = Self.cookie(name.bytes, seed: seed)
    let number = freeNumber(ofHash: hash)
    let offset = UInt32(names.count)
    names.append(contentsOf: name.bytes)
    return Entry(
      cookie: hash | number, inode: 0, nameOffset: offset, nameLength: UInt16(name.count))
  }

  /// The lowest number that no other name of the same hash has.
  private func freeNumber(ofHash hash: UInt64) -> UInt64 {
    var taken: Set<UInt64> = []
    var index = sorted.firstIndex(atLeast: hash)
    while index < sorted.count, sorted[index].cookie & ~7 == hash {
      taken.insert(sorted[index].cookie & 7)
      index += 1
    }
    for entry in tail where entry.cookie & ~7 == hash { taken.insert(entry.cookie & 7) }
    return (0..<7).first { !taken.contains($0) } ?? 7
  }

  /// Sorts new entries in and drops removed ones, so that `next` sees every name.
  package mutating func mergeTail() {
    if tail.isEmpty && deadNames < 4096 { return }
    tail.sort { $0.cookie < $1.cookie }
    var merged: [Entry] = []
    merged.reserveCapacity(sorted.count + tail.count)
    var next = 0
    for entry in sorted where !entry.flags.contains(.removed) {
      while next < tail.count, tail[next].cookie < entry.cookie {
        if !tail[next].flags.contains(.removed) { merged.append(tail[next]) }
        next += 1
      }
      merged.append(entry)
    }
    merged.append(contentsOf: tail[next...].lazy.filter { !$0.flags.contains(.removed) })
    sorted = merged
    tail.removeAll(keepingCapacity: true)
    if deadNames > 4096, deadNames * 2 > names.count { compactNames() }
  }

  private mutating func compactNames() {
    var kept: [UInt8] = []
    kept.reserveCapacity(names.count - deadNames)
    for index in sorted.indices {
      let start = Int(sorted[index].nameOffset)
      sorted[index].nameOffset = UInt32(kept.count)
      kept.append(contentsOf: names[start..<(start + Int(sorted[index].nameLength))])
    }
    names = kept
    deadNames = 0
  }

  /// A keyed hash with its lower 3 bits clear, below 1 << 63 and above the cookies of `.` and `..`.
  static func cookie(_ name: some Sequence<UInt8>, seed: UInt64) -> UInt64 {
    var hash = seed
    for byte in name { hash = (hash ^ UInt64(byte)) &* 0x9E37_79B9_7F4A_7C15 }
    hash ^= hash >> 32
    hash = hash &* 0xD6E8_FEB8_6659_FD93
    hash ^= hash >> 29
    return max((hash >> 1) & ~7, firstCookie)
  }
}

extension [DirectoryIndex.Entry] {
  /// Binary search: where the first entry of at least this cookie is.
  fileprivate func firstIndex(atLeast cookie: UInt64) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle].cookie < cookie { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
