import StrataSystem

/// A directory of one layer as it lies on disk, with the marks of an overlay in every form that
/// Strata, fuse-overlayfs, the kernel or an AUFS-style archive may have left (storage-format 6.5).
struct LayerDirectory {
  let descriptor: SharedDescriptor
  /// Whether it hides what lower layers have in this directory.
  let isOpaque: Bool

  var view: FileDescriptor { descriptor.view }

  private static let opaqueXattrs: [RawPath] = [
    "trusted.overlay.opaque", "user.overlay.opaque", "user.fuseoverlayfs.opaque",
  ]
  private static let literalXattrs: [RawPath] = [
    "trusted.strata.literal", "user.strata.literal",
  ]
  private static let opaqueFile: RawPath = ".wh..wh..opq"
  private static let whiteoutPrefix: RawPath = ".wh."

  /// Opens a directory of `parent`, or `parent` itself by the name `.`.
  init(_ parent: FileDescriptor, _ name: RawPath) throws(Errno) {
    descriptor = SharedDescriptor(
      try parent.open(name, [.readOnly, .directory, .noFollow, .nonBlocking]))
    let view = descriptor.view
    isOpaque =
      try Self.isMark(Self.opaqueFile, in: view)
      || Self.opaqueXattrs.contains { (try? view.xattr($0)) == [UInt8(ascii: "y")] }
  }

  /// Whether a name with the prefix of whiteouts is there and means one: a file that no user of a
  /// mount made, for strata-overlay puts an attribute on those.
  private static func isMark(
    _ name: RawPath, in directory: FileDescriptor
  ) throws(Errno) -> Bool {
    do throws(Errno) {
      guard try directory.status(of: name).type == .regular else { return false }
    } catch  where error == .noSuchFileOrDirectory || error == .nameTooLong {
      return false
    }
    return !literalXattrs.contains { (try? directory.xattr($0, of: name)) != nil }
  }

  /// Whether a file `.wh.NAME` hides what lower layers have of a name.
  func hides(_ name: RawPath) throws(Errno) -> Bool {
    try Self.isMark(RawPath(Whiteout.prefix + name.bytes), in: view)
  }

  /// Whether the status is that of a whiteout in the kernel's form.
  static func isWhiteout(_ status: FileStatus) -> Bool {
    status.type == .characterDevice
      && status.representedDevice == DeviceNumber(major: 0, minor: 0)
  }

  /// The status of a name as an overlay program shows it.
  func status(of name: RawPath) throws(Errno) -> FileStatus {
    try Self.status(of: name, in: view)
  }

  /// The status of a name of any directory of a layer as an overlay program shows it.
  static func status(of name: RawPath, in directory: FileDescriptor) throws(Errno) -> FileStatus {
    let status = try directory.status(of: name)
    if status.type != .regular && status.type != .directory { return status }
    return try override(of: name, in: directory)?.applied(to: status) ?? status
  }

  /// What an attribute says in place of the inode.
  static func override(
    of name: RawPath, in directory: FileDescriptor
  ) throws(Errno) -> OverrideStat? {
    for xattr in OverrideStat.names {
      do throws(Errno) {
        if let override = OverrideStat(try directory.xattr(xattr, of: name)) { return override }
      } catch
        where error == .noData || error == .notSupported || error == .operationNotPermitted
        || error == .permissionDenied
      {
        continue
      }
    }
    return nil
  }

  /// The names that are neither whiteouts nor marks, and those that whiteouts hide.
  func contents() throws(Errno) -> (names: [RawPath], hidden: Set<RawPath>) {
    var names: [RawPath] = []
    var hidden: Set<RawPath> = []
    for entry in try view.entries() {
      // fuse-overlayfs leaves a device of the second name beside the opaque mark.
      if entry.name.bytes.starts(with: Whiteout.metaPrefix) || entry.name == ".wh..opq" {
        continue
      }
      if entry.name.hasPrefix(Self.whiteoutPrefix) {
        // Anything else of such a name has no form in a layer, where it would be a whiteout.
        if try Self.isMark(entry.name, in: view) {
          let name = RawPath(entry.name.bytes.dropFirst(Whiteout.prefix.count))
          // A whiteout of nothing, or of the directory itself, hides nothing.
          if !name.isEmpty, name != ".", name != ".." { hidden.insert(name) }
        }
      } else if entry.type == .characterDevice || entry.type == .unknown,
        Self.isWhiteout(try view.status(of: entry.name))
      {
        hidden.insert(entry.name)
      } else {
        names.append(entry.name)
      }
    }
    return (names.filter { !hidden.contains($0) }, hidden)
  }
}

/// One directory of the lower layers merged, topmost first: what a container saw before it changed
/// anything.
struct LowerDirectory {
  private let layers: [LayerDirectory]

  /// The merged root.
  init(_ roots: [FileDescriptor]) throws(Errno) {
    var layers: [LayerDirectory] = []
    for root in roots {
      layers.append(try LayerDirectory(root, "."))
      if layers.last?.isOpaque == true { break }
    }
    self.layers = layers
  }

  private init(_ layers: [LayerDirectory]) { self.layers = layers }

  /// No directory at all.
  static let none = LowerDirectory([LayerDirectory]())

  /// The entry of a name, or nil where no layer shows one; with the layer's directory it lies in.
  func find(_ name: RawPath) throws(Errno) -> (LayerDirectory, FileStatus)? {
    guard let index = try index(of: name) else { return nil }
    return (layers[index], try layers[index].status(of: name))
  }

  /// The merged directory of that name; empty where the name is no directory.
  func directory(_ name: RawPath) throws(Errno) -> LowerDirectory {
    guard let first = try index(of: name) else { return .none }
    var found: [LayerDirectory] = []
    for layer in layers[first...] {
      do throws(Errno) {
        if try layer.hides(name) { break }
        found.append(try LayerDirectory(layer.view, name))
      } catch  where error == .noSuchFileOrDirectory {
        continue
      } catch  where error == .notADirectory || error == .tooManySymbolicLinks {
        break
      }
      if found.last?.isOpaque == true { break }
    }
    return LowerDirectory(found)
  }

  /// All names that the merged directory shows.
  func names() throws(Errno) -> Set<RawPath> {
    var names: Set<RawPath> = []
    var hidden: Set<RawPath> = []
    for layer in layers {
      let contents = try layer.contents()
      names.formUnion(contents.names.filter { !hidden.contains($0) })
      hidden.formUnion(contents.hidden)
    }
    return names
  }

  private func index(of name: RawPath) throws(Errno) -> Int? {
    for (index, layer) in layers.enumerated() {
      if try layer.hides(name) { return nil }
      do throws(Errno) {
        return LayerDirectory.isWhiteout(try layer.view.status(of: name)) ? nil : index
      } catch  where error == .noSuchFileOrDirectory {
        continue
      }
    }
    return nil
  }
}
