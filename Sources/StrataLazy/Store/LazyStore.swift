import StrataArchive
import StrataModel
package import StrataSystem

/// The daemon's state: what was asked for, what is known of it, and what is being fetched.
///
/// One a process; `StoreFileSystem` shows it to the kernel.
package final class LazyStore: Sendable {
  let source: any LayerSource
  let options: LazyOptions
  let log: StoreLog
  let slots: SlotTable
  let uses: UseCounts
  let trees: TreePool
  let completion: Completion
  let keeper: CacheKeeper
  /// The folder of the layers' folders.
  let layers: RawPath
  let prefetch: Prefetch
  let images: ImageCatalog
  let remembered: RememberedLayers
  private let state: SharedDescriptor
  let blobs: BlobDownloads

  /// Opens the state directory, which it makes with mode 0700; `generation` names the mount, and
  /// `ledger` has what the worker before this one has counted.
  package init(
    state path: RawPath, source: any LayerSource, generation: UInt64,
    options: LazyOptions = LazyOptions(), ledger: UseLedger? = nil, log: StoreLog
  ) throws(LazyError) {
    self.source = source
    self.options = options
    self.log = log
    do throws(Errno) {
      let here = FileDescriptor.workingDirectory
      try here.makeDirectories(path, mode: 0o700)
      state = SharedDescriptor(try here.open(path, [.readOnly, .directory]))
      for name: RawPath in ["layers", "refs"] { try state.view.makeDirectories(name, mode: 0o700) }
      slots = try SlotTable(state.view, generation: generation)
    } catch {
      throw LazyError("state directory \(path): \(error)")
    }
    uses = UseCounts(path, ledger, layers: slots.layers)
    blobs = BlobDownloads(source, failureTime: options.failureTime, log)
    remembered = RememberedLayers(path.appending("refs"))
    images = ImageCatalog(
      source, timeLimit: options.resolveTimeout, refusalTime: options.failureTime)
    let context = try Self.context(state, source, options, log)
    trees = TreePool(context)
    keeper = context.keeper
    layers = path.appending("layers")
    completion = Completion(source, layers: layers, remembered, log)
    prefetch = Prefetch(layers: layers, log)
    keeper.start(
      ranks: { [weak self] in self?.cacheRanks() },
      evicted: { [weak self] in
        for tree in self?.trees.all ?? [] { tree.contents.forgetSeen() }
      })
  }

  private static func context(
    _ state: SharedDescriptor, _ source: any LayerSource, _ options: LazyOptions, _ log: StoreLog
  ) throws(LazyError) -> TreeContext {
    let threads = WorkThreads(limit: 4)
    let layers: SharedDescriptor
    let own: FileDescriptorOwner
    let boot: BootID
    do throws(Errno) {
      layers = SharedDescriptor(try state.view.open("layers", [.readOnly, .directory]))
      boot = try BootID()
      own = try state.view.open(".", [.readOnly, .directory])
    } catch { throw LazyError("state directory: \(error)") }
    do throws(StreamError) {
      let cache = try PayloadCache(own, boot: boot)
      let pace = FetchPace(rate: options.backgroundBandwidth)
      return TreeContext(
        indexes: IndexStore(
          layers, source: source, threads: threads, timeLimit: options.resolveTimeout),
        cache: cache, keeper: CacheKeeper(cache, options, threads, log),
        gate: FetchGate(ChunkFetcher(source, threads, options, log), pace, options),
        pace: pace, recorder: AccessRecorder(), threads: threads, options: options, log: log)
    } catch { throw LazyError("\(error)") }
  }

  // MARK: - Layers of images

  /// The layer that a slot of ROOT/<ref>/<digest> means.
  ///
  /// ENOENT where there is none, or where it may not be asked for; EIO where the registry does not
  /// say; each with a line in the log.
  func claim(slot: UInt32) async throws(Errno) -> LayerClaim {
    guard case .layer(let imageSlot, let key) = slots[slot],
      case .image(let reference) = slots[imageSlot]
    else { throw .staleHandle }
    return try await claim(reference, key)
  }

  /// As above by the names.
  private func claim(_ reference: String, _ key: Digest) async throws(Errno) -> LayerClaim {
    if let known = remembered.claim(reference, key) { return known }
    let image: ResolvedImage
    do throws(SourceError) { image = try await images.image(reference) } catch {
      log.write("\(reference): \(error)", error.kind == .notFound ? .info : .warning)
      throw error.errno
    }
    do throws(StreamError) {
      if let claim = try LayerClaim(key, in: image) { return claim }
      log.write("\(reference) has no layer \(key)", .info)
    } catch {
      log.write("\(reference): layer \(key): \(error)", .warning)
    }
    throw .noSuchFileOrDirectory
  }

  /// The tree of a layer, opened; ENOENT for a plain one, which the client then pulls itself.
  func tree(of claim: LayerClaim, image: UInt32) async throws(Errno) -> LayerTree {
    guard let chunked = claim.chunked else { throw .noSuchFileOrDirectory }
    let slot = try slots.slot(
      of: .tree(
        image: image, blob: claim.descriptor.digest, toc: chunked.tocDigest,
        size: claim.descriptor.size))
    let tree = trees.tree(slot, blob: claim.blob, toc: chunked.tocDigest)
    try await tree.open { claim }
    return tree
  }

  /// The tree in a slot whose number the kernel holds; nil for a slot that is no tree's.
  func tree(slot: UInt32) -> LayerTree? {
    if let tree = trees[slot] { return tree }
    guard case .tree(let image, let blob, let toc, let size) = slots[slot],
      case .image(let reference) = slots[image]
    else { return nil }
    return trees.tree(
      slot, blob: LayerBlob(reference: reference, digest: blob, size: size), toc: toc)
  }

  /// The index of a tree whose number the kernel holds, from the disk or by its manifest.
  func index(of tree: LayerTree) async throws(Errno) -> LayerIndex {
    try await tree.open { [self] () async throws(Errno) -> LayerClaim in
      try await claim(tree.blob.reference, tree.blob.digest)
    }
  }

  /// The state directory; not to be used when the store is gone.
  var directory: FileDescriptor { state.view }

  /// statfs(2) of the cache's file system.
  func fileSystemStatus() throws(Errno) -> FileSystemStatus { try state.view.fileSystemStatus() }
}

/// Why the daemon could not start.
package struct LazyError: Error, Sendable, CustomStringConvertible {
  package var description: String
  package init(_ description: String) { self.description = description }
}
