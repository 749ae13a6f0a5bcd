// What a layer's directory should hold by its own tar, compared with what it holds. Assembling a
// layer anew cannot notice a file too many, since it opens only those that it knows.

package import StrataModel
package import StrataSystem

/// The names that the tars of layers made, with what their headers say.
package struct ExpectedTree {
  /// How entries were written.
  private let whiteouts: ApplyOptions.Whiteouts
  private var entries: [[UInt8]: TarHeader] = [:]
  /// Directories that are there because something in them is.
  private var implied: Set<[UInt8]> = []
  /// What the current layer has made, which its opaque marks spare.
  private var fresh: Set<[UInt8]> = []

  package init(_ whiteouts: ApplyOptions.Whiteouts) {
    self.whiteouts = whiteouts
  }

  /// Begins with the entries of another layer, on top of those before.
  package mutating func beginLayer() { fresh = [] }

  /// Adds an entry, as extracting it would.
  package mutating func add(_ header: TarHeader) {
    guard header.type != .globalHeader else { return }
    let name = CleanName(header.name)
    if name.isRoot { return }
    if whiteouts == .apply, name.last.starts(with: Whiteout.prefix) {
      let hidden = Array(name.last.dropFirst(Whiteout.prefix.count))
      let parent = Array(name.parent)
      if name.last.elementsEqual(".wh..wh..opq".utf8) { return empty(parent) }
      if name.last.starts(with: Whiteout.metaPrefix) { return }
      return remove(parent.isEmpty ? hidden : parent + [slash] + hidden)
    }
    if whiteouts == .keep, let hidden = Whiteout.hiddenByLongName(name.last) {
      let parent = Array(name.parent)
      let path = parent.isEmpty ? Array(hidden.bytes) : parent + [slash] + hidden.bytes
      // A device 0:0 of the store's own making.
      if entries[path] == nil {
        entries[path] = TarHeader(name: path, type: .characterDevice, mode: 0)
      }
      return imply(name.parent)
    }
    if header.type != .directory, entries[name.bytes]?.type == .directory { remove(name.bytes) }
    entries[name.bytes] = header
    fresh.insert(name.bytes)
    imply(name.parent)
  }

  private mutating func imply(_ path: ArraySlice<UInt8>) {
    var path = path
    while !path.isEmpty, implied.insert(Array(path)).inserted {
      path = path[..<(path.lastIndex(of: slash) ?? path.startIndex)]
    }
  }

  /// Takes away what older layers have in a directory.
  private mutating func empty(_ directory: [UInt8]) {
    let below = directory.isEmpty ? [] : directory + [slash]
    entries = entries.filter { !$0.key.starts(with: below) || fresh.contains($0.key) }
  }

  private mutating func remove(_ path: [UInt8]) {
    let below = path + [slash]
    entries = entries.filter { $0.key != path && !$0.key.starts(with: below) }
    implied = implied.filter { $0 != path && !$0.starts(with: below) }
  }

  /// Every departure, in the peer's form: `+/path` for what is too much, `-/path` for what is missing,
  /// and `/path` with what differs.
  ///
  /// Owners are compared as a container sees them. Directories that are only implied have no
  /// attributes to compare; times of directories tell of names alone, which are compared.
  package func departures(
    in root: FileDescriptor, mappings: IDMappings, ignoringOwners: Bool
  ) throws(Errno) -> [String] {
    var walk = Walk(tree: self, mappings: mappings, ignoringOwners: ignoringOwners)
    try walk.visit(root, [])
    for (path, header) in entries where !walk.seen.contains(path) {
      // The types that cannot be made everywhere.
      if header.type == .characterDevice || header.type == .blockDevice { continue }
      walk.found.append("-/\(String(decoding: path, as: UTF8.self))")
    }
    return walk.found.sorted()
  }

  private struct Walk {
    let tree: ExpectedTree
    let mappings: IDMappings
    let ignoringOwners: Bool
    var seen: Set<[UInt8]> = []
    var found: [String] = []

    mutating func visit(_ directory: FileDescriptor, _ path: [UInt8]) throws(Errno) {
      for entry in try directory.entries() {
        let name = path.isEmpty ? Array(entry.name.bytes) : path + [slash] + entry.name.bytes
        let status = try directory.status(of: entry.name)
        seen.insert(name)
        let text = "/\(String(decoding: name, as: UTF8.self))"
        if let header = tree.entries[name] {
          let differences = compare(header, status)
          if !differences.isEmpty { found.append("\(text) \(differences.joined(separator: ","))") }
        } else if !(status.type == .directory && tree.implied.contains(name)) {
          found.append("+\(text)")
          continue
        }
        if status.type == .directory {
          let below = try directory.open(entry.name, [.readOnly, .directory, .noFollow])
          try visit(below.view, name)
        }
      }
    }

    private func compare(_ header: TarHeader, _ status: FileStatus) -> [String] {
      guard let expected = fileType(header), expected == status.type else {
        return header.type == .hardLink ? [] : ["filetype"]
      }
      // Names of one inode: the last entry decided, and which that is the tar does not say simply.
      if status.type != .directory, status.linkCount > 1 { return [] }
      var result: [String] = []
      func note(_ what: String, _ old: Int64, _ new: Int64, octal: Bool = false) {
        guard old != new else { return }
        let radix = octal ? 8 : 10
        result.append("\(what):\(String(old, radix: radix))￫\(String(new, radix: radix))")
      }
      if !ignoringOwners {
        let owner = mappings.toContainer(uid: status.uid, gid: status.gid)
        note("uid", max(0, header.uid), owner.map { Int64($0.uid) } ?? -1)
        note("gid", max(0, header.gid), owner.map { Int64($0.gid) } ?? -1)
      }
      if status.type == .regular { note("size", header.size, status.size) }
      if status.type != .symlink {
        note("mode", header.mode & 0o777, Int64(status.permissions & 0o777), octal: true)
      }
      let time = header.modificationTime.seconds
      if status.type == .regular, (0...9_223_372_036).contains(time) {
        note("mtime", time, status.modificationTime.seconds)
      }
      return result
    }

    private func fileType(_ header: TarHeader) -> FileType? {
      switch header.type {
      case .directory: .directory
      case .symlink: .symlink
      case .characterDevice: .characterDevice
      case .blockDevice: .blockDevice
      case .fifo: .fifo
      case .hardLink: nil
      default: header.name.last == slash && header.type.rawValue == 0 ? .directory : .regular
      }
    }
  }
}

private let slash = UInt8(ascii: "/")
