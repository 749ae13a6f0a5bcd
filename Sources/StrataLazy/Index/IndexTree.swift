import StrataModel
import StrataSystem

/// The inodes and names of a layer while its index is being built.
struct IndexTree {
  struct Inode {
    /// Type and permission bits, as stat(2) has them.
    var mode: UInt32
    var uid: UInt32 = 0
    var gid: UInt32 = 0
    var deviceMajor: UInt32 = 0
    var deviceMinor: UInt32 = 0
    var flags: LayerFlags = []
    var nanoseconds: UInt32 = 0
    var seconds: Int64 = 0
    var size: Int64 = 0
    var firstChunk: UInt32 = 0
    var chunkCount: UInt32 = 0
    var payload: SHA256Value?
    /// In the heaps; length 0 for none.
    var xattrOffset: UInt32 = 0
    var xattrLength: UInt32 = 0
    var targetOffset: UInt32 = 0

    var type: FileType { FileType(mode: mode) }
  }

  /// A name in a directory.
  struct Child {
    var parent: UInt32
    var nameOffset: UInt32
    var nameLength: UInt16
    var inode: UInt32
  }

  private(set) var inodes: [Inode]
  private(set) var children: [Child] = []
  private(set) var names: [UInt8] = []
  /// Open addressing: number of a child plus one, 0 for a free place.
  private var table = [UInt32](repeating: 0, count: 1 << 10)

  init() {
    var root = Inode(mode: FileType.directory.modeBits | 0o755)
    root.flags = .implied
    inodes = [root]
  }

  /// The child of that name; nil if there is none.
  func find(_ name: ArraySlice<UInt8>, in parent: UInt32) -> Int? {
    var place = hash(name, parent)
    while true {
      let number = table[place]
      if number == 0 { return nil }
      if matches(children[Int(number) - 1], name, parent) { return Int(number) - 1 }
      place = (place + 1) & (table.count - 1)
    }
  }

  /// Adds a name that is not there yet.
  mutating func append(_ name: ArraySlice<UInt8>, in parent: UInt32, inode: UInt32) {
    if (children.count + 1) * 2 > table.count { grow() }
    let child = Child(
      parent: parent, nameOffset: UInt32(names.count), nameLength: UInt16(name.count), inode: inode)
    names.append(contentsOf: name)
    children.append(child)
    insert(children.count - 1, hash(name, parent))
  }

  /// Lets a name stand for another inode.
  mutating func repoint(_ child: Int, to inode: UInt32) {
    children[child].inode = inode
  }

  /// A new inode's number.
  mutating func add(_ inode: Inode) -> UInt32 {
    inodes.append(inode)
    return UInt32(inodes.count - 1)
  }

  mutating func change(_ number: UInt32, _ body: (inout Inode) -> Void) {
    body(&inodes[Int(number)])
  }

  func name(of child: Child) -> ArraySlice<UInt8> {
    names[Int(child.nameOffset)..<(Int(child.nameOffset) + Int(child.nameLength))]
  }

  private func matches(_ child: Child, _ name: ArraySlice<UInt8>, _ parent: UInt32) -> Bool {
    child.parent == parent && Int(child.nameLength) == name.count
      && self.name(of: child).elementsEqual(name)
  }

  /// Seeded for each process, so that no TOC can be made whose names fall together.
  private func hash(_ name: ArraySlice<UInt8>, _ parent: UInt32) -> Int {
    var hasher = Hasher()
    hasher.combine(parent)
    hasher.combine(name)
    return hasher.finalize() & (table.count - 1)
  }

  private mutating func insert(_ child: Int, _ start: Int) {
    var place = start
    while table[place] != 0 { place = (place + 1) & (table.count - 1) }
    table[place] = UInt32(child) + 1
  }

  private mutating func grow() {
    table = [UInt32](repeating: 0, count: table.count * 2)
    for (number, child) in children.enumerated() {
      insert(number, hash(name(of: child), child.parent))
    }
  }
}
