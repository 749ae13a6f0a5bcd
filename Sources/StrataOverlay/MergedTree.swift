package import StrataFUSE
import StrataSystem

/// The merged tree of one mount: nodes, layers, and every operation on them.
///
/// Operations are in extensions, a file for each family. None of them knows the wire: they take and
/// return values, throw the errno for the caller, and are tested without a mount. One thread at a
/// time: `OverlayFileSystem` holds the lock, and does what takes long without it (docs/adr/0014).
///
/// Every change of the upper is made of steps after each of which the tree on disk is either the old
/// or the new one (overlay-design section 8); what a cut leaves over lies in `work` alone.
package final class MergedTree {
  let options: OverlayOptions
  let log: OverlayLog
  /// The layer in which something was done last, for the log.
  var touched: UInt16 = 0
  var counters = TreeCounters()
  /// Topmost first; the upper, if there is one, is number 0.
  ///
  /// Data-only lowers come last.
  let layers: [Layer]
  let hasUpper: Bool
  /// The layers that take part in merging: those before the data-only ones.
  let mergedCount: Int
  let table = NodeTable()
  var sides = NodeSides()
  var inodes = InodeNumbers()
  /// Other names of upper files, to their nodes.
  var aliases: [NodeAlias: Slot] = [:]
  /// Nodes of upper files with several links, by device index and inode.
  var hardLinks: [UInt64: Slot] = [:]
  let work: WorkDirectory?
  let marks: MarkNamespace
  var budget: DescriptorBudget
  /// Keys the READDIR cookies of this mount.
  let seed: UInt64
  let lifetime: CacheLifetime
  /// Owners that every file is shown with, if the options say so.
  let squashUID, squashGID: UInt32?
  let ownIdentity = FileSystemIdentity.own
  /// Whether files can be made as other users.
  let switchesIdentity: Bool
  /// Whether `trusted.overlay.origin` can be written and followed: real root only.
  let followsOrigins: Bool
  /// Identity of the file system of each layer, for origins; empty bytes where it has none.
  var layerUUIDs: [UInt16: [UInt8]] = [:]
  /// The kernel's page cache, once the mount is served.
  var pages: Notifier?
  /// Files whose content was given to the kernel at their first open.
  var storedFiles = 0
  /// Where directories go whose files are to be given to the kernel ahead of their opens; nil where
  /// that is not done.
  var readahead: ReadaheadQueue?
  /// Files that were given so, and those of them that were opened afterwards.
  var filesAhead = 0, filesAheadOpened = 0
  /// Large files that are being copied up, or were and wait for it.
  var longCopies: [Slot: LongCopyState] = [:]
  /// When the kernel is asked to let nodes go.
  var pruning: NodePruning
  /// Which directories a walk will list next.
  var listingAhead = ListingAhead()
  /// Where files are opened for the kernel to read and write by itself; nil where it does not.
  var backing: Notifier?
  /// How many opens the kernel serves by itself.
  var passthroughOpens = 0
  /// Nodes whose attributes changed otherwise than the request says; the kernel is to be told.
  var staleAttributes: [NodeID] = []
  /// Directories whose listing shows a number that changed; never without a stale node.
  var staleListings: [NodeID] = []
  /// Memory taken by directory indexes.
  var indexBytes = 0
  var indexClock: UInt64 = 0
  /// Directories that have an index.
  var indexed: Set<Slot> = []

  /// Opens the layers and prepares the work directory.
  ///
  /// The error says which name failed.
  package init(
    _ options: OverlayOptions, _ log: OverlayLog, descriptorLimit: Int
  ) throws(OverlayError) {
    self.options = options
    self.log = log
    seed = randomBytes(8).reduce(0) { $0 << 8 | UInt64($1) } | 1
    layers = try Self.openLayers(options)
    hasUpper = options.upper != nil
    mergedCount = layers.count { !$0.isDataOnly }
    switchesIdentity = effectiveUserID == 0
    lifetime = options.lifetime
    pruning = NodePruning(limit: Int(options.nodeLimit))
    squashUID = options.squashToUID ?? (options.squashToRoot ? 0 : nil)
    squashGID = options.squashToGID ?? (options.squashToRoot ? 0 : nil)
    if hasUpper, let path = options.work {
      try WorkDirectory.requireApart(path, layers, options)
      let opened = try Self.openWork(path, upper: layers[0], options)
      marks = opened.marks
      work = opened
    } else {
      marks = .none
      work = nil
    }
    followsOrigins = marks == .trusted
    budget = DescriptorBudget(
      limit: max(32, descriptorLimit - layers.count - 64))
    if switchesIdentity { try? keepCapabilitiesAcrossIdentities() }
    setThreadUmask(0)
    for layer in layers { _ = inodes.number(0, on: layer.device) }
    do throws(Errno) { try prepareRoot() } catch {
      throw OverlayError(error, "cannot read the layers' root")
    }
  }

  private static func openLayers(_ options: OverlayOptions) throws(OverlayError) -> [Layer] {
    let mapping = IDMapping(uids: options.uidRanges, gids: options.gidRanges)
    let idmapped = mapping.isIdentity ? [] : Layer.idmappedMounts()
    let mountPoint = MountPointAncestors(of: options.mount.mountPoint)
    var layers: [Layer] = []
    func open(_ path: RawPath, upper: Bool = false, data: Bool = false) throws(OverlayError) {
      let forced: RawPath? =
        switch (upper, options.xattrPermissions) {
        case (true, .privileged): "security.fuseoverlayfs.override_stat"
        case (true, .user): "user.containers.override_stat"
        default: nil
        }
      do throws(Errno) {
        layers.append(
          try Layer(
            opening: path, isUpper: upper, isDataOnly: data, mapping: mapping,
            idmappedMounts: idmapped, around: mountPoint, override: forced))
      } catch {
        throw OverlayError(error, "cannot open the \(upper ? "upper" : "lower") directory \(path)")
      }
    }
    if let upper = options.upper {
      try open(upper, upper: true)
      if layers[0].holdsMountPoint {
        throw OverlayError(
          "the mount point \(options.mount.mountPoint) lies in the upper directory \(upper)")
      }
    }
    for lower in options.lowers { try open(lower) }
    for lower in options.dataOnlyLowers { try open(lower, data: true) }
    return layers
  }

  private static func openWork(
    _ path: RawPath, upper: Layer, _ options: OverlayOptions
  ) throws(OverlayError) -> WorkDirectory {
    do throws(Errno) {
      return try WorkDirectory(opening: path, upper: upper, options)
    } catch {
      throw OverlayError(error, "cannot use the work directory \(path)")
    }
  }

  /// The root exists in every layer, down to the first opaque one.
  private func prepareRoot() throws(Errno) {
    var present: [DirectoryLayer] = []
    var impure = false
    for number in 0..<mergedCount {
      let layer = UInt16(number)
      var entry = DirectoryLayer(layer, path: RawPath(""), descriptor: layers[number].root)
      let marks = try readMarks(layers[number].root.view, markers: true)
      entry.mayHaveXattrWhiteouts = marks.mayHaveXattrWhiteouts
      if number == 0 { impure = marks.isImpure }
      present.append(entry)
      if marks.isOpaque { break }
    }
    let side = DirectorySide(present)
    side.isImpure = impure
    table[.root].side = sides.add(side)
    table[.root].flags.insert(.live)
    if hasUpper { table[.root].flags.insert(.upper) }
    let lower = present.first { $0.layer != 0 || !hasUpper } ?? present[0]
    let status = try layers[Int(lower.layer)].root.view.status()
    table[.root].inode = inodes.number(of: status)
    noteProtection(.root, try layers[0].root.view.status())
    if let upper = layers.first, hasUpper, let name = upper.override,
      (try? upper.root.view.xattr(name)) == nil
    {
      try upper.root.view.setXattr(name, OverrideStat(try upper.root.view.status()).text)
    }
  }

  // MARK: - Access

  /// EROFS on a mount that cannot be changed.
  func requireUpper() throws(Errno) -> WorkDirectory {
    guard let work, !options.isReadOnly else { throw .readOnlyFileSystem }
    return work
  }

  /// ENOTDIR if the node is no directory.
  func directory(_ slot: Slot) throws(Errno) -> DirectorySide {
    guard let side = sides.directory(table[slot].side) else { throw .notADirectory }
    return side
  }

  /// The side record of a file, which is made if it is missing.
  func fileSide(_ slot: Slot) -> FileSide {
    if let side = sides.file(table[slot].side) { return side }
    let side = FileSide()
    table[slot].side = sides.add(side)
    return side
  }

  func existingFileSide(_ slot: Slot) -> FileSide? { sides.file(table[slot].side) }

  func layer(of slot: Slot) -> Layer { layers[Int(table[slot].layer)] }

  func isUpper(_ slot: Slot) -> Bool { table[slot].flags.contains(.upper) }

  func isDirectory(_ slot: Slot) -> Bool { table[slot].type == .directory }

  /// The node of a name that the kernel was told of, under whichever of its names.
  func known(_ name: RawPath, in parent: Slot) -> Slot? {
    if let slot = table.find(name, in: parent) { return slot }
    return aliases.isEmpty ? nil : aliases[NodeAlias(parent: parent, name: name)]
  }

  // MARK: - Life of nodes

  /// The kernel drops lookups of a node.
  package func forget(_ id: NodeID, count: UInt64) {
    guard let slot = try? table.slot(of: id), slot != .root else { return }
    table[slot].lookups -= min(count, table[slot].lookups)
    if table[slot].lookups == 0, let side = sides.directory(table[slot].side) {
      dropPrepared(slot, side)
    }
    release(slot)
  }

  /// Removes a node that neither the kernel nor a child needs, and then its parent if that is so
  /// for it too.
  func release(_ start: Slot) {
    var slot = start
    while slot != .root, slot != .none, table[slot].lookups == 0, table[slot].references == 0 {
      if let side = existingFileSide(slot) {
        if side.opens > 0 { return }
        forgetAliases(slot, side)
        budget.drop(slot, side)
      }
      if let side = sides.directory(table[slot].side) { dropDirectory(slot, side) }
      sides.remove(table[slot].side)
      let parent = table.unkey(slot)
      table.remove(slot)
      if parent == .none { return }
      table[parent].references -= 1
      slot = parent
    }
  }

  private func forgetAliases(_ slot: Slot, _ side: FileSide) {
    for alias in side.aliases {
      aliases[alias] = nil
      table[alias.parent].references -= 1
      if alias.parent != table[slot].parent { release(alias.parent) }
    }
    side.aliases = []
    if let key = side.linkKey, hardLinks[key] == slot { hardLinks[key] = nil }
  }

  private func dropDirectory(_ slot: Slot, _ side: DirectorySide) {
    dropIndex(slot, side)
    for position in side.layers.indices where side.layers[position].descriptor != nil {
      side.layers[position].descriptor = nil
      budget.openDirectories -= 1
    }
    budget.directories.remove(slot)
  }
}

/// A start that failed: one line for people.
package struct OverlayError: Error, CustomStringConvertible {
  package var description: String

  package init(_ description: String) { self.description = description }

  init(_ errno: Errno, _ what: String) { description = "\(what): \(errno)" }
}
