import StrataFUSE
import StrataSystem
import Synchronization

extension Errno {
  /// Told of in the log, since no caller causes them: a layer that is gone or broken, an upper that is
  /// full, a daemon at its limits.
  fileprivate static let notable: Set<Errno> = [
    .inputOutputError, .noSpace, .quotaExceeded, .tooManyOpenFiles, .tooManyOpenFilesInSystem,
    .notConnected, .connectionAborted,
  ]

  /// What a layer that is a file system of another program answers when that one is dead; the mount
  /// that is asked is not.
  fileprivate static let gone: Set<Errno> = [.notConnected, .connectionAborted]
}

extension MergedTree {
  /// What the caller of a request is told of an error that a layer gave, of which the log is told too.
  ///
  /// `layer` is the one that was used last where it is not known better; a file system that is full is
  /// the upper's.
  func failed(_ error: Errno, layer: UInt16? = nil) -> Errno {
    guard Errno.notable.contains(error) else { return error }
    let isFull = error == .noSpace || error == .quotaExceeded
    let number = isFull && hasUpper ? 0 : Int(layer ?? touched)
    log.failed(
      error, layers[number].isUpper ? "upper" : "lower", options.path(ofLayer: number))
    return Errno.gone.contains(error) ? .inputOutputError : error
  }

  /// As above for an error of a file's data, which are read and written without the tree's lock.
  func failed(_ error: Errno, of id: NodeID) -> Errno {
    failed(error, layer: (try? table.slot(of: id)).map { table[$0].layer })
  }

  /// A name that a layer had is not there any more: somebody else changed the layer.
  func vanished(from layer: UInt16) {
    log.failed(
      .noSuchFileOrDirectory, layers[Int(layer)].isUpper ? "upper" : "lower",
      options.path(ofLayer: Int(layer)))
  }
}

extension OverlayFileSystem {
  /// Runs an operation of the tree under its lock; what a layer does wrong goes to the log.
  func asking<Result: Sendable>(
    _ body: (MergedTree) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    try tree.withLock { tree throws(Errno) in
      do throws(Errno) { return try body(tree) } catch { throw tree.failed(error) }
    }
  }

  /// As `MergedTree.failed` for an error that was met without the tree's lock.
  func failed(_ error: Errno, of node: NodeID) -> Errno {
    tree.withLock { $0.failed(error, of: node) }
  }
}

extension OverlayOptions {
  /// The directory of a layer as it was given.
  fileprivate func path(ofLayer number: Int) -> RawPath {
    let paths = (upper.map { [$0] } ?? []) + lowers + dataOnlyLowers
    return number < paths.count ? paths[number] : ""
  }
}
