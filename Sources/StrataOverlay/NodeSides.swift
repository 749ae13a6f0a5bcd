package import StrataSystem

/// A directory in one of the layers that have it.
package struct DirectoryLayer: Sendable {
  package let layer: UInt16
  /// Its path from the layer's root where that is not the parent's path and the node's name:
  /// redirects, and lower parts of directories that were renamed.
  package var path: RawPath?
  /// Open while in use lately; `DescriptorBudget` closes the oldest.
  package var descriptor: SharedDescriptor?
  package var lastUse: UInt64 = 0
  /// Empty files in it may be whiteouts by attribute (`opaque=x`); nil: not looked at yet.
  package var mayHaveXattrWhiteouts: Bool? = false

  package init(_ layer: UInt16, path: RawPath? = nil, descriptor: SharedDescriptor? = nil) {
    self.layer = layer
    self.path = path
    self.descriptor = descriptor
  }
}

/// What is kept of a directory beside its record.
package final class DirectorySide {
  /// The layers that have it and are not hidden by one above, topmost first; never empty.
  package var layers: [DirectoryLayer]
  /// The merged content, once it was needed.
  package var index: DirectoryIndex?
  package var indexUse: UInt64 = 0
  /// The upper's directory is marked as having children whose numbers come from lowers.
  package var isImpure = false
  /// Its entries, looked up before they are asked for.
  var prepared: PreparedListing?
  /// It was listed already, or is too large to be listed ahead.
  var needsNoPreparing = false
  /// Where the upper's directory says that its lower part lies, as its attribute has it.
  package var redirect: RawPath?
  /// How far the kernel was given its files ahead of their opens.
  var readahead = DirectoryReadahead()
  /// The attributes that it had when its last name went.
  package var lastStatus: FileStatus?

  package init(_ layers: [DirectoryLayer]) { self.layers = layers }

  /// Where in `layers` a layer is.
  package func position(of layer: UInt16) -> Int? {
    layers.firstIndex { $0.layer == layer }
  }
}

/// Where the data of a file that has attributes only (metacopy) lies.
package struct DataLocation: Sendable {
  package var layer: UInt16
  package var path: RawPath
}

/// A further name of an upper file.
package struct NodeAlias: Hashable, Sendable {
  package var parent: Slot
  package var name: RawPath
}

/// What is kept of a file that is open, has several names or has none.
package final class FileSide {
  /// Descriptors belong to the node: one for reading, one for writing (and reading, where allowed).
  package var reader: SharedDescriptor?
  package var writer: SharedDescriptor?
  /// Of a file whose last name went while the kernel knew it and nobody had it open: enough to open it
  /// again for who holds it by O_PATH.
  package var remains: SharedDescriptor?
  /// The writer cannot read: the file's owner may not.
  package var writerIsWriteOnly = false
  /// The writer only appends, as nothing else may be done with the file (chattr +a).
  package var writerAppends = false
  package var opens = 0
  /// The number under which the kernel reads and writes the file by itself; 0 if it asks.
  package var backing: Int32 = 0
  package var writingOpens = 0
  package var lastUse: UInt64 = 0
  package var aliases: [NodeAlias] = []
  /// The attributes that it had when its last name went.
  package var lastStatus: FileStatus?
  /// Set for metacopy files once looked at.
  package var data: DataLocation?
  /// Its key among the upper files with several links.
  package var linkKey: UInt64?

  package init() {}
}

/// Side records by number; 0 is none.
package struct NodeSides {
  private enum Side {
    case free(next: UInt32)
    case directory(DirectorySide)
    case file(FileSide)
  }

  private var sides: [Side] = [.free(next: 0)]
  private var firstFree: UInt32 = 0

  package init() {}

  package func directory(_ number: UInt32) -> DirectorySide? {
    if case .directory(let side) = sides[Int(number)] { side } else { nil }
  }

  package func file(_ number: UInt32) -> FileSide? {
    if case .file(let side) = sides[Int(number)] { side } else { nil }
  }

  package mutating func add(_ side: DirectorySide) -> UInt32 { add(.directory(side)) }
  package mutating func add(_ side: FileSide) -> UInt32 { add(.file(side)) }

  private mutating func add(_ side: Side) -> UInt32 {
    if firstFree != 0, case .free(let next) = sides[Int(firstFree)] {
      let number = firstFree
      firstFree = next
      sides[Int(number)] = side
      return number
    }
    sides.append(side)
    return UInt32(sides.count - 1)
  }

  package mutating func remove(_ number: UInt32) {
    guard number != 0 else { return }
    sides[Int(number)] = .free(next: firstFree)
    firstFree = number
  }
}
