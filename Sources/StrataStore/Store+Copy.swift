import StrataArchive
import StrataDrivers
public import StrataModel
import StrataPersistence
public import StrataSystem

/// One end of a copy: a path of a layer, or of the machine where there is no layer.
public struct CopyPlace: Sendable {
  /// Id, name or id prefix of a layer.
  public var layer: String?
  /// The path in it.
  public var path: RawPath

  /// A place.
  public init(layer: String?, path: RawPath) {
    self.layer = layer
    self.path = path
  }
}

extension Store {
  /// Copies a file, or what a directory holds, into a layer, from a layer, or both.
  ///
  /// Owners are taken as a container sees them, so layers with different ID maps show the same;
  /// `owner` replaces all of them. Nothing in a layer leads out of it.
  public func copy(
    _ source: CopyPlace, to target: CopyPlace, owner: (uid: UInt32, gid: UInt32)? = nil
  ) throws(StoreError) {
    try withRoot(of: source.layer) { from, fromMaps throws(StoreError) in
      try withRoot(of: target.layer) { to, toMaps throws(StoreError) in
        var copy = TreeCopy(OwnerShift(from: fromMaps, to: toMaps, given: owner))
        try Self.copy(source, from, to: target, to, &copy)
      }
    }
  }

  private static func copy(
    _ source: CopyPlace, _ from: FileDescriptor, to target: CopyPlace, _ to: FileDescriptor,
    _ copy: inout TreeCopy
  ) throws(StoreError) {
    let resolve: ResolveFlags = source.layer == nil ? [] : [.inRoot]
    let whole = source.path
    let opened = try naming("stat", whole) { () throws(Errno) in
      try from.open(whole.cleaned, [.path], resolve: resolve)
    }
    let isDirectory = try naming("stat", whole) { () throws(Errno) in
      try opened.view.status().type == .directory
    }
    // A directory's content goes into the target, a file into the directory that has its new name.
    let place = target.path
    // A slash at the end means a directory where one is there, and nothing else, as with the peer.
    let isInto = !isDirectory && place.bytes.last == UInt8(ascii: "/") && isThere(place, target, to)
    let directory = isDirectory || isInto ? place : place.cleaned.parent
    let into = SharedDescriptor(try openTarget(directory, target, to))
    if isDirectory {
      let list = try naming("open", whole) { () throws(Errno) in
        try opened.view.reopen([.readOnly, .directory])
      }
      return try copy.copyContents(of: list.view, to: into, whole)
    }
    let parent = try naming("open", whole.parent) { () throws(Errno) in
      try from.open(
        whole.parent.isEmpty ? "." : whole.parent, [.readOnly, .directory], resolve: resolve)
    }
    let name = whole.lastComponent
    let newName = isInto ? name : place.cleaned.lastComponent
    if (try? into.view.status(of: newName))?.type == .directory {
      throw StoreError(
        Errno.isADirectory, "copy to \(directory.appending(newName)) (with / at its end: into it)")
    }
    try copy.copy(name, of: parent.view, to: into, as: newName, whole)
  }

  /// Whether the path leads to a directory.
  private static func isThere(_ path: RawPath, _ place: CopyPlace, _ root: FileDescriptor) -> Bool {
    let resolve: ResolveFlags = place.layer == nil ? [] : [.inRoot]
    return (try? root.open(path.cleaned, [.path, .directory], resolve: resolve)) != nil
  }

  /// The directory that is copied into, made if it is missing.
  private static func openTarget(_ path: RawPath, _ place: CopyPlace, _ root: FileDescriptor)
    throws(StoreError) -> FileDescriptorOwner
  {
    try naming("open", path) { () throws(Errno) in
      if place.layer == nil {
        let name: RawPath = path.isEmpty ? "." : path
        try FileDescriptor.workingDirectory.makeDirectories(name, mode: 0o755)
        return try root.open(name, [.readOnly, .directory])
      }
      // Step by step below the layer's root, so that no link leads out of it.
      var directory = try root.open(".", [.readOnly, .directory])
      for name in path.cleaned.components where name != "/" && name != "." {
        do throws(Errno) {
          try directory.view.makeDirectory(name, mode: 0o755)
        } catch  where error == .fileExists {}
        directory = try directory.view.open(
          name, [.readOnly, .directory, .noFollow], resolve: [.beneath])
      }
      return directory
    }
  }

  /// Runs `body` on the root of a mounted layer, or of the machine.
  private func withRoot(
    of layer: String?, _ body: (FileDescriptor, IDMappings) throws(StoreError) -> Void
  ) throws(StoreError) {
    guard let layer else { return try body(.workingDirectory, IDMappings()) }
    let record = try self.layer(layer)
    let point = try mount(record.id)
    var failure: StoreError?
    do throws(StoreError) {
      let root = try naming("open", point) { () throws(Errno) in
        try FileDescriptor.workingDirectory.open(point, [.readOnly, .directory])
      }
      try body(root.view, record.mappings)
    } catch {
      failure = error
    }
    do throws(StoreError) {
      try unmount(record.id)
    } catch {
      // The first error is the cause.
      failure == nil ? (failure = error) : warn("unmounting layer \(record.id): \(error)")
    }
    if let failure { throw failure }
  }
}

extension Store {
  /// Makes what a directory of the machine holds the content of a layer, as if it came as a tar.
  public func applyDirectory(_ path: RawPath, to layer: String) throws(StoreError) {
    let spool = try naming("open", configuration.graphRoot) { () throws(Errno) in
      try FileDescriptor.workingDirectory.open(
        configuration.graphRoot, [.readWrite, .temporaryFile], mode: 0o600)
    }
    let directory = try naming("open", path) { () throws(Errno) in
      try FileDescriptor.workingDirectory.open(path, [.readOnly, .directory])
    }
    let sink = try naming("open", path) { () throws(Errno) in
      FileSink(try spool.view.duplicate(), name: path)
    }
    try streaming { () throws(StreamError) in
      try writeChanges(
        upper: directory.view, lowers: [], rules: ComparisonRules(), to: sink)
    }
    try naming("seek", path) { () throws(Errno) in _ = try spool.view.seek(0) }
    try applyDiff(to: layer, content: FileSource(spool, name: path))
  }
}
