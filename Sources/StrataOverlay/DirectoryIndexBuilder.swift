package import StrataSystem

/// Gathers what the layers of one directory hold, and merges it.
package struct DirectoryIndexBuilder {
  private enum Kind {
    case object(FileType)
    /// An object that hides its own name in the layers below.
    case whiteout
    /// A file `.wh.NAME`.
    case marker
  }

  private struct Item {
    var cookie: UInt64
    var inode: UInt64
    var nameOffset: UInt32
    var nameLength: UInt16
    var layer: UInt16
    var kind: Kind
  }

  private var items: [Item] = []
  private var names: [UInt8] = []
  private let upper: UInt16?
  private let seed: UInt64

  /// `upper` is the number of the upper layer, which is always the topmost.
  package init(upper: UInt16?, seed: UInt64) {
    self.upper = upper
    self.seed = seed
  }

  /// An object of a layer; layers come topmost first.
  package mutating func add(_ name: RawPath, type: FileType, inode: UInt64, layer: UInt16) {
    add(name.bytes, .object(type), inode, layer)
  }

  /// A whiteout that lies at the name itself.
  package mutating func addWhiteout(_ name: RawPath, layer: UInt16) {
    add(name.bytes, .whiteout, 0, layer)
  }

  /// A whiteout that lies beside the name.
  package mutating func addMarker(for name: RawPath, layer: UInt16) {
    add(name.bytes, .marker, 0, layer)
  }

  private mutating func add(
    _ name: ArraySlice<UInt8>, _ kind: Kind, _ inode: UInt64, _ layer: UInt16
  ) {
    items.append(
      Item(
        cookie: DirectoryIndex.cookie(name, seed: seed), inode: inode,
        nameOffset: UInt32(names.count), nameLength: UInt16(name.count), layer: layer, kind: kind))
    names.append(contentsOf: name)
  }

  /// The merged index.
  package consuming func build() -> DirectoryIndex {
    let names = names
    func bytes(_ item: Item) -> ArraySlice<UInt8> {
      names[Int(item.nameOffset)..<(Int(item.nameOffset) + Int(item.nameLength))]
    }
    items.sort { left, right in
      if left.cookie != right.cookie { return left.cookie < right.cookie }
      let (a, b) = (bytes(left), bytes(right))
      if !a.elementsEqual(b) { return a.lexicographicallyPrecedes(b) }
      if left.layer != right.layer { return left.layer < right.layer }
      if case .marker = right.kind { return true }
      return false
    }
    var index = DirectoryIndex(seed: seed)
    index.sorted.reserveCapacity(items.count)
    var start = 0
    var twin: UInt64 = 0
    while start < items.count {
      var end = start + 1
      while end < items.count, items[end].cookie == items[start].cookie,
        bytes(items[end]).elementsEqual(bytes(items[start]))
      {
        end += 1
      }
      let isTwin = start > 0 && items[start].cookie == items[start - 1].cookie
      twin = isTwin ? min(twin + 1, 7) : 0
      index.append(merge(items[start..<end], into: &index.chains, twin))
      start = end
    }
    index.names = names
    return index
  }

  /// One name's entry from what the layers say of it, topmost first.
  private func merge(
    _ group: ArraySlice<Item>, into chains: inout [UInt16], _ twin: UInt64
  ) -> DirectoryIndex.Entry {
    let first = group[group.startIndex]
    var entry = DirectoryIndex.Entry(
      cookie: first.cookie | twin, inode: 0, nameOffset: first.nameOffset,
      nameLength: first.nameLength)
    var layers: [UInt16] = []
    var lowerInode: UInt64 = 0
    scan: for item in group {
      if item.layer == upper {
        switch item.kind {
        case .object(let type):
          entry.flags.insert(.upper)
          entry.type = type
          entry.inode = item.inode
        case .whiteout: entry.flags.insert(.hidden)
        case .marker: entry.flags.formUnion([.hidden, .marker])
        }
        continue
      }
      guard case .object(let type) = item.kind else { break scan }
      if entry.lowerLayer == DirectoryIndex.noLayer {
        entry.lowerLayer = item.layer
        entry.lowerType = type
        lowerInode = item.inode
      } else if type != .directory {
        break scan
      }
      if type != .directory { break scan }
      layers.append(item.layer)
    }
    if !layers.isEmpty {
      chains.append(UInt16(layers.count))
      chains.append(contentsOf: layers)
      entry.chain = UInt32(chains.count - layers.count)
    }
    if !entry.flags.contains(.upper) {
      entry.type = entry.lowerType
      entry.inode = lowerInode
    } else if entry.type == .directory, !layers.isEmpty, !entry.flags.contains(.hidden) {
      entry.inode = lowerInode
    }
    return entry
  }
}
