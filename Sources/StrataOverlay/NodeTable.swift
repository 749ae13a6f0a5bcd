import Glibc
package import StrataFUSE
package import StrataSystem

/// A place in the node table.
///
/// Slot 0 is nobody; the root is slot 1.
package struct Slot: Hashable, Sendable {
  package let index: UInt32
  package init(index: UInt32) { self.index = index }

  package static let none = Slot(index: 0)
  package static let root = Slot(index: 1)
}

/// What is true of a node.
package struct NodeFlags: OptionSet, Sendable {
  package let rawValue: UInt16
  package init(rawValue: UInt16) { self.rawValue = rawValue }

  /// It lies in the upper layer.
  package static let upper = NodeFlags(rawValue: 1 << 0)
  /// It has no name any more that the kernel was told of.
  package static let orphan = NodeFlags(rawValue: 1 << 1)
  /// A lower file with several links: copy-up breaks the association.
  package static let lowerHardLink = NodeFlags(rawValue: 1 << 2)
  /// One listing has shown that it has no extended attribute.
  package static let withoutXattrs = NodeFlags(rawValue: 1 << 3)
  /// Its number comes from a lower file that it was copied from.
  package static let hasOrigin = NodeFlags(rawValue: 1 << 4)
  /// Its name has an entry in the table of names.
  package static let keyed = NodeFlags(rawValue: 1 << 5)
  /// It is in use.
  package static let live = NodeFlags(rawValue: 1 << 6)
  /// Its attributes were listed once.
  package static let listedXattrs = NodeFlags(rawValue: 1 << 8)
  /// It was opened once without error, so a later open need not try.
  package static let wasOpened = NodeFlags(rawValue: 1 << 9)
  /// The kernel read or wrote it by itself: pages that it kept from before may be wrong.
  package static let passedThrough = NodeFlags(rawValue: 1 << 10)
  /// The kernel was given its content before anybody opened it, and nobody has since.
  package static let givenAhead = NodeFlags(rawValue: 1 << 11)
  /// A lower file that is worth letting the kernel read by itself where nothing is ever copied up.
  package static let isLong = NodeFlags(rawValue: 1 << 12)
  /// Nothing of it may change (chattr +i).
  package static let immutable = NodeFlags(rawValue: 1 << 13)
  /// Content, or names, can only be added to it (chattr +a).
  package static let appendOnly = NodeFlags(rawValue: 1 << 14)
  /// The two above are what the layer says, the upper's own mark included.
  package static let knownProtection = NodeFlags(rawValue: 1 << 15)
  /// An upper file that has, or had, several names.
  package static let upperHardLink = NodeFlags(rawValue: 1 << 7)
}

/// One node: 64 bytes, without references, so that a million of them cost the collector nothing.
package struct NodeRecord {
  /// The upper half of the node id; counts the uses of the slot.
  var generation: UInt32 = 0
  /// The next record of the same hash bucket, or the next free slot.
  var next: UInt32 = 0
  /// The directory in which the node was last found.
  var parent: Slot = .none
  /// Where its name lies in the arena.
  var name: UInt32 = 0
  /// How many lookups the kernel has not forgotten.
  var lookups: UInt64 = 0
  /// The st_ino that is shown.
  var inode: UInt64 = 0
  /// The hash of parent and name, by which it is found.
  var hash: UInt64 = 0
  /// Children and aliases that need this record to stay, whatever the kernel forgets.
  var references: UInt32 = 0
  /// Its side record: 0 for most files.
  var side: UInt32 = 0
  /// The layer of a file; of a directory the topmost one.
  var layer: UInt16 = 0
  var flags: NodeFlags = []
  var type: FileType = .unknown
}

/// All nodes that the kernel knows, found by id and by (parent, name).
///
/// Every name that the kernel was told has exactly one node. Lower files with several links have a
/// node for each name, since requests carry only the node and copy-up must know which name to copy;
/// upper hard links share one node, whose further names are kept in `NodeSides`.
///
/// Memory: pages of 1024 records that never move, names in `NameArena`, and a bucket array. This file
/// is the only one of the target that handles memory by hand; invariant: `slot.index < capacity`
/// holds for every `Slot` that this table gave out, and `record(of:)` checks those that came from
/// the kernel.
@safe
package final class NodeTable {
  private static let pageSize: UInt32 = 1024
  private var pages: [UnsafeMutablePointer<NodeRecord>] = unsafe []
  private var used: UInt32 = 2
  private var firstFree: UInt32 = 0
  private var buckets: [UInt32]
  private var keyedCount = 0
  private let names = NameArena()
  /// How many nodes there are, the root included.
  package private(set) var count = 1

  package init() {
    buckets = [UInt32](repeating: 0, count: 1024)
    addPage()
    self[.root].flags = .live
    self[.root].type = .directory
    self[.root].lookups = 1
    self[.root].name = names.add("")
  }

  deinit {
    unsafe pages.forEach { page in unsafe page.deallocate() }
  }

  private func addPage() {
    let page = UnsafeMutablePointer<NodeRecord>.allocate(capacity: Int(Self.pageSize))
    unsafe page.initialize(repeating: NodeRecord(), count: Int(Self.pageSize))
    unsafe pages.append(page)
  }

  /// The record of a slot that this table gave out.
  package subscript(slot: Slot) -> NodeRecord {
    @inline(__always)
    unsafeAddress {
      let page = unsafe pages[Int(slot.index / Self.pageSize)]
      return unsafe UnsafePointer(page + Int(slot.index % Self.pageSize))
    }
    @inline(__always)
    unsafeMutableAddress {
      let page = unsafe pages[Int(slot.index / Self.pageSize)]
      return unsafe page + Int(slot.index % Self.pageSize)
    }
  }

  /// The slot of an id that the kernel sent; ESTALE if the node is gone or never was.
  package func slot(of id: NodeID) throws(Errno) -> Slot {
    if id == .root { return .root }
    let index = UInt32(truncatingIfNeeded: id.rawValue)
    let slot = Slot(index: index)
    guard index > 1, index < used, self[slot].flags.contains(.live),
      self[slot].generation == UInt32(truncatingIfNeeded: id.rawValue >> 32)
    else { throw .staleHandle }
    return slot
  }

  /// The id by which the kernel knows a slot.
  package func id(of slot: Slot) -> NodeID {
    if slot == .root { return .root }
    return NodeID(rawValue: UInt64(self[slot].generation) << 32 | UInt64(slot.index))
  }

  /// The name by which the node was last found; empty for the root.
  package func name(of slot: Slot) -> RawPath { names[self[slot].name] }

  /// The next slot that is in use, after the last one from the start again; the root is none of them.
  package func next(after slot: Slot) -> Slot? {
    var index = slot.index
    for _ in 2..<max(used, 2) {
      index = index + 1 < used ? max(index + 1, 2) : 2
      if self[Slot(index: index)].flags.contains(.live) { return Slot(index: index) }
    }
    return nil
  }

  // MARK: - Names

  /// The node of a name, if the kernel was told of it.
  package func find(_ name: RawPath, in parent: Slot) -> Slot? {
    let hash = Self.hash(name, in: parent)
    var index = buckets[Int(truncatingIfNeeded: hash) & (buckets.count - 1)]
    while index != 0 {
      let slot = Slot(index: index)
      if self[slot].hash == hash, self[slot].parent == parent,
        names.isEqual(self[slot].name, name)
      {
        return slot
      }
      index = self[slot].next
    }
    return nil
  }

  /// Makes a node of a name that has none, with no lookup counted yet.
  package func insert(_ name: RawPath, in parent: Slot, type: FileType) -> Slot {
    let slot = takeSlot()
    self[slot].type = type
    count += 1
    key(slot, name, in: parent)
    return slot
  }

  /// Makes a node that has no name.
  package func insertOrphan(type: FileType) -> Slot {
    let slot = takeSlot()
    self[slot].type = type
    self[slot].flags.insert(.orphan)
    count += 1
    return slot
  }

  /// Gives a node without a name this one, which no other node may have.
  package func key(_ slot: Slot, _ name: RawPath, in parent: Slot) {
    if keyedCount >= buckets.count * 7 / 10 { grow() }
    let hash = Self.hash(name, in: parent)
    self[slot].hash = hash
    self[slot].parent = parent
    self[slot].name = names.add(name)
    self[slot].flags.insert(.keyed)
    self[slot].flags.remove(.orphan)
    self[parent].references += 1
    let bucket = Int(truncatingIfNeeded: hash) & (buckets.count - 1)
    self[slot].next = buckets[bucket]
    buckets[bucket] = slot.index
    keyedCount += 1
  }

  /// Takes a node's name away: it was removed, or another object has it now.
  ///
  /// Returns the parent, which the caller releases.
  package func unkey(_ slot: Slot) -> Slot {
    guard self[slot].flags.contains(.keyed) else { return .none }
    unlink(slot)
    names.remove(self[slot].name)
    self[slot].name = 0
    self[slot].flags.remove(.keyed)
    self[slot].flags.insert(.orphan)
    let parent = self[slot].parent
    self[slot].parent = .none
    return parent
  }

  private func unlink(_ slot: Slot) {
    keyedCount -= 1
    let bucket = Int(truncatingIfNeeded: self[slot].hash) & (buckets.count - 1)
    var index = buckets[bucket]
    if index == slot.index {
      buckets[bucket] = self[slot].next
      return
    }
    while index != 0 {
      let next = self[Slot(index: index)].next
      if next == slot.index {
        self[Slot(index: index)].next = self[slot].next
        return
      }
      index = next
    }
  }

  private func grow() {
    let old = buckets
    buckets = [UInt32](repeating: 0, count: old.count * 2)
    for first in old {
      var index = first
      while index != 0 {
        let slot = Slot(index: index)
        index = self[slot].next
        let bucket = Int(truncatingIfNeeded: self[slot].hash) & (buckets.count - 1)
        self[slot].next = buckets[bucket]
        buckets[bucket] = slot.index
      }
    }
  }

  // MARK: - Slots

  private func takeSlot() -> Slot {
    if firstFree != 0 {
      let slot = Slot(index: firstFree)
      firstFree = self[slot].next
      let generation = self[slot].generation
      self[slot] = NodeRecord()
      self[slot].generation = generation
      self[slot].flags = .live
      return slot
    }
    if used == UInt32(unsafe pages.count) * Self.pageSize { addPage() }
    let slot = Slot(index: used)
    used += 1
    // Generation 0 would make slot 1 of another generation look like a small number; start at 1.
    self[slot].generation = 1
    self[slot].flags = .live
    return slot
  }

  /// Gives back the slot of a node that has no name, no lookup and no reference.
  package func remove(_ slot: Slot) {
    let generation = self[slot].generation &+ 1
    self[slot] = NodeRecord()
    self[slot].generation = generation == 0 ? 1 : generation
    self[slot].next = firstFree
    firstFree = slot.index
    count -= 1
  }

  /// FNV-1a of the parent's slot and the name, mixed so that the low bits serve as a bucket.
  private static func hash(_ name: RawPath, in parent: Slot) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325 ^ UInt64(parent.index)
    hash = hash &* 0x100_0000_01b3
    for byte in name.bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash ^ (hash >> 29)
  }
}

/// The bytes of names, in classes of 8 bytes: a removed name's place serves the next of its class.
@safe
private final class NameArena {
  private static let chunkSize = 1 << 16
  private var chunks: [UnsafeMutableRawPointer] = unsafe []
  private var position = chunkSize
  /// For each length class the first free place; each holds the next one's number.
  private var free = [UInt32](repeating: 0, count: 33)

  deinit {
    unsafe chunks.forEach { chunk in unsafe chunk.deallocate() }
  }

  /// A place's number is its offset over all chunks in units of 8 bytes; 0 is given to nobody.
  private func address(_ place: UInt32) -> UnsafeMutableRawPointer {
    let offset = Int(place) * 8
    return unsafe chunks[offset / Self.chunkSize] + offset % Self.chunkSize
  }

  /// Length byte and name, rounded up.
  ///
  /// Names have at most 255 bytes: the kernel's limit.
  private func lengthClass(_ length: Int) -> Int { (length + 8) / 8 }

  func add(_ name: RawPath) -> UInt32 {
    let length = min(name.count, 255)
    let place = take(lengthClass(length))
    let memory = unsafe address(place)
    unsafe memory.storeBytes(of: UInt8(length), as: UInt8.self)
    unsafe name.withCString { unsafe (memory + 1).copyMemory(from: $0, byteCount: length) }
    return place
  }

  private func take(_ size: Int) -> UInt32 {
    if free[size] != 0 {
      let place = free[size]
      free[size] = unsafe address(place).load(as: UInt32.self)
      return place
    }
    if position + size * 8 > Self.chunkSize {
      unsafe chunks.append(.allocate(byteCount: Self.chunkSize, alignment: 8))
      position = unsafe chunks.count == 1 ? 8 : 0
    }
    let place = UInt32((unsafe chunks.count - 1) * (Self.chunkSize / 8) + position / 8)
    position += size * 8
    return place
  }

  func remove(_ place: UInt32) {
    guard place != 0 else { return }
    let memory = unsafe address(place)
    let size = lengthClass(Int(unsafe memory.load(as: UInt8.self)))
    unsafe memory.storeBytes(of: free[size], as: UInt32.self)
    free[size] = place
  }

  subscript(place: UInt32) -> RawPath {
    guard place != 0 else { return RawPath("") }
    let memory = unsafe address(place)
    let length = Int(unsafe memory.load(as: UInt8.self))
    return unsafe RawPath(UnsafeRawBufferPointer(start: memory + 1, count: length))
  }

  func isEqual(_ place: UInt32, _ name: RawPath) -> Bool {
    guard place != 0 else { return name.isEmpty }
    let memory = unsafe address(place)
    let length = Int(unsafe memory.load(as: UInt8.self))
    guard length == name.count else { return false }
    return unsafe name.withCString { unsafe memcmp($0, memory + 1, length) == 0 }
  }
}
