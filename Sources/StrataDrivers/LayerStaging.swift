package import StrataModel
package import StrataPersistence
package import StrataSystem

/// What a layer will hold, written before the layer exists and without any lock.
package struct StagedContent: Sendable {
  /// The temporary directory that it lies in.
  package let place: TemporaryDirectory
  /// Its directory, relative to the place's home.
  package let path: RawPath
  /// Where it will be as a layer: names in it must not be longer than that lets them.
  package let target: RawPath
  /// Whether the tar itself said owner and mode of the root; else they are those of the parent's root.
  package var rootIsGiven = false

  init(place: TemporaryDirectory, path: RawPath, target: RawPath) {
    self.place = place
    self.path = path
    self.target = target
  }

  /// Opens what a tar is applied to; not held all the time, since an image may have many layers.
  package func open() throws(StoreError) -> SharedDescriptor {
    SharedDescriptor(
      try naming("open", place.homePath.appending(path)) { () throws(Errno) in
        try place.home.view.open(path, [.readOnly, .directory, .noFollow])
      })
  }
}

/// What the content of a layer starts from.
package enum StagingBase: Sendable {
  /// A layer that is in the store.
  case layer(String)
  /// One that is staged itself.
  case staged(StagedContent)
}

/// What happens to content before a layer exists, and after: outside the store's locks.
///
/// A kill at any point leaves what `recoverTemporary` finds.
package protocol LayerStaging: Sendable {
  /// Whether the content of a layer can be written before that of its parent.
  var stagesIndependently: Bool { get }
  /// A directory in the file system of the layers, in the home of the separate image store if it is
  /// asked for and there is one.
  func makeTemporaryDirectory(inImageStore: Bool) throws(StoreError) -> TemporaryDirectory
  /// Makes the directory for the content of a layer.
  ///
  /// `base` matters to drivers whose layers hold their parents' content, as do the maps of both.
  func stage(
    _ id: String, in place: TemporaryDirectory, on base: StagingBase?, mappings: IDMappings,
    parentMappings: IDMappings
  ) throws(StoreError) -> StagedContent
  /// As `create`, with content that was staged, which is moved into its place.
  func create(
    _ id: String, parent: String?, mappings: IDMappings, parentMappings: IDMappings,
    inImageStore: Bool, content: StagedContent
  ) throws(StoreError)
  /// Moves content that was staged into the place of a layer's own, if that is empty and is in the same
  /// home; else, and where layers hold their parents' content, does nothing and gives back false.
  ///
  /// Nobody has the layer mounted or stands on it.
  func replaceEmpty(_ id: String, with content: StagedContent) throws(StoreError) -> Bool
  /// Takes the directory of a layer away, to be removed when the locks are gone.
  func remove(_ id: String, later removals: Removals) throws(StoreError)
  /// Waits until the names of layers in the homes are on the disk.
  func synchronizeHome(inImageStore: Bool) throws(StoreError)
  /// Removes what processes that have died left of staged and of removed layers, or only finds it;
  /// returns the directories.
  func recoverTemporary(dryRun: Bool) throws(StoreError) -> [RawPath]
  /// Removes what peers that have died left of theirs, or only finds it; returns the directories.
  func peersStaging(dryRun: Bool) throws(StoreError) -> [RawPath]
}

extension LayerStaging {
  package func peersStaging(dryRun: Bool) throws(StoreError) -> [RawPath] { [] }

  package func replaceEmpty(_ id: String, with content: StagedContent) throws(StoreError) -> Bool {
    false
  }
}

/// What was taken out of a store under its locks and is removed when they are gone.
package final class Removals {
  private var places: [(home: RawPath, place: TemporaryDirectory)] = []
  private var last: [() -> Void] = []

  package init() {}

  /// The directory that things of a home are moved to, made with the first.
  func place(
    for home: RawPath, _ make: () throws(StoreError) -> TemporaryDirectory
  ) throws(StoreError) -> TemporaryDirectory {
    if let known = places.first(where: { $0.home == home }) { return known.place }
    let place = try make()
    places.append((home, place))
    return place
  }

  /// Runs `body` when all is removed.
  func finally(_ body: @escaping () -> Void) { last.append(body) }

  /// Removes everything; no lock of the store is held.
  package func finish() throws(StoreError) {
    var failure: StoreError?
    for (_, place) in places {
      do throws(StoreError) { try place.remove() } catch { failure = failure ?? error }
    }
    places = []
    for body in last { body() }
    last = []
    if let failure { throw failure }
  }
}

/// A layer's tree that Strata's own deletions do not empty as long as the descriptor is open; made
/// while the layers' lock is held.
///
/// Peers know nothing of it: what they delete in the middle of a stream ends that with an error. File
/// systems without such locks do without.
func keptFromRemoval(_ tree: consuming FileDescriptorOwner) -> SharedDescriptor {
  _ = try? tree.view.flock(exclusive: false, wait: false)
  return SharedDescriptor(tree)
}
