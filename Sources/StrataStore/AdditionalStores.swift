import StrataDrivers
import StrataModel
import StrataPersistence
import StrataSystem
import Synchronization

/// A graph root whose layers and images are looked at and used as parents, never written.
struct AdditionalStore: Sendable {
  /// The graph root.
  let path: RawPath
  let layers: LayerStore
  let images: ImageStore
}

/// The additional image stores of a store, in the order of the options.
///
/// One that is missing or damaged is left out with one warning, so that it stops nothing that does not
/// need it: what is only there is not known then. Whoever would take that for damage, and remove what
/// stands on it, asks for all of them.
final class AdditionalStores: Sendable {
  private let stores: [AdditionalStore]
  private let warn: @Sendable (String) -> Void
  /// What is wrong with those that are left out, by their paths, and whether that was told.
  ///
  /// Innermost of all locks: held for a look alone.
  private let problems: Mutex<[RawPath: (error: StoreError, isTold: Bool)]>

  /// Opens those that are there.
  ///
  /// One on a read-only file system without lock files cannot be locked and is skipped, as the peer
  /// skips it.
  init(
    _ roots: [RawPath], driver: String, beside own: RawPath,
    warn: @escaping @Sendable (String) -> Void
  ) {
    var stores: [AdditionalStore] = []
    var problems: [RawPath: (error: StoreError, isTold: Bool)] = [:]
    for root in roots where root.cleaned != own.cleaned {
      do throws(StoreError) {
        stores.append(try Self.open(root, driver))
      } catch {
        if error.errno == .readOnlyFileSystem { continue }
        problems[root] = (error, false)
      }
    }
    self.stores = stores
    self.warn = warn
    self.problems = Mutex(problems)
  }

  private static func open(_ root: RawPath, _ driver: String) throws(StoreError) -> AdditionalStore
  {
    try naming("open", root) { () throws(Errno) in
      // A folder that is gone, a share that is not mounted, is not made anew.
      _ = try FileDescriptor.workingDirectory.open(root, [.readOnly, .directory])
    }
    return AdditionalStore(
      path: root,
      layers: try LayerStore(
        LayerStore.Locations(
          directory: root.appending(RawPath("\(driver)-layers")), runDirectory: nil),
        readOnly: true
      ) { (_) throws(StoreError) in },
      images: try ImageStore(
        directory: root.appending(RawPath("\(driver)-images")), readOnly: true))
  }

  /// Whether none is named.
  var isEmpty: Bool { stores.isEmpty && problems.withLock { $0.isEmpty } }

  /// Calls `body` for each store in turn until it gives something; one that cannot be read is left out.
  func first<Result>(_ body: (AdditionalStore) throws(StoreError) -> Result?) throws(StoreError)
    -> Result?
  {
    tell()
    for store in stores {
      do throws(StoreError) {
        if let found = try body(store) { return found }
      } catch {
        try leaveOut(store, error)
      }
    }
    return nil
  }

  /// Calls `body` for each store; one that cannot be read is left out.
  func forEach(_ body: (AdditionalStore) throws(StoreError) -> Void) throws(StoreError) {
    _ = try first { store throws(StoreError) -> Never? in
      try body(store)
      return nil
    }
  }

  /// All of them, for whoever must not take what is only there for lost.
  ///
  /// Errors: what is wrong with one that cannot be read, and what to do.
  func all() throws(StoreError) -> [AdditionalStore] {
    if let (path, problem) = problems.withLock({ $0.first }) {
      throw Self.refusal(path, problem.error)
    }
    for store in stores {
      do throws(StoreError) {
        try store.layers.reading { _ throws(StoreError) in }
        try store.images.reading { _ throws(StoreError) in }
      } catch {
        throw Self.isOfStore(error) ? Self.refusal(store.path, error) : error
      }
    }
    return stores
  }

  private func leaveOut(_ store: AdditionalStore, _ error: StoreError) throws(StoreError) {
    guard Self.isOfStore(error) else { throw error }
    problems.withLock { known in
      if known[store.path] == nil { known[store.path] = (error, false) }
    }
    tell()
  }

  /// Warns of what is left out, once of each.
  private func tell() {
    let new = problems.withLock { known in
      let new = known.filter { !$0.value.isTold }
      for path in new.keys { known[path]?.isTold = true }
      return new
    }
    for (path, problem) in new.sorted(by: { $0.key < $1.key }) {
      warn("additional image store \(path) is left out: \(problem.error.message)")
    }
  }

  /// Whether the store is what is wrong, and not a wait that ended or what was done with it.
  private static func isOfStore(_ error: StoreError) -> Bool {
    switch error.code {
    case .loadError, .damaged, .duplicateLayerNames, .duplicateImageNames: true
    case .system(let number):
      Errno(rawValue: number) != .noSpace && Errno(rawValue: number) != .interrupted
    default: false
    }
  }

  private static func refusal(_ path: RawPath, _ error: StoreError) -> StoreError {
    StoreError(
      .prerequisites,
      "additional image store \(path): \(error.message): without it what stands on its layers looks "
        + "damaged: mend it (`strata --graph \(path) check --repair` moves a damaged file aside), or "
        + "take it out of the configuration (`strata config --origins` says which line names it)")
  }
}
