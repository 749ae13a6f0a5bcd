import StrataModel
import StrataPersistence
import StrataSystem
import Synchronization

/// That a layer is being made: who wants the same one waits for it and then finds it there, so that it
/// is read and unpacked once.
///
/// A lock file of its own in the run root, where peers have those of digests, outside the order of the store's locks: it is waited for
/// before any of them, and parents' before their children's. Peers take none, and nothing goes wrong
/// without: who comes second with a layer takes the one that is there. Whoever holds it sets the time of
/// the file now and then; one who stands still is not waited for.
final class LayerLock: Sendable {
  private let file: SharedDescriptor
  private let path: RawPath
  private let touched = Atomic<UInt64>(monotonicNanoseconds())

  private init(_ file: SharedDescriptor, _ path: RawPath) {
    self.file = file
    self.path = path
  }

  deinit { try? FileDescriptor.workingDirectory.unlink(path) }

  /// No digest begins so: the peers' files are their affair.
  private static let prefix = "strata-layer-"

  /// Removes the files of processes that have died.
  static func removeLeftovers(in folder: RawPath) {
    let here = FileDescriptor.workingDirectory
    guard let directory = try? here.open(folder, [.readOnly, .directory]),
      let names = try? directory.view.entries().map(\.name)
    else { return }
    for name in names where name.description.hasPrefix(prefix) {
      guard let file = try? directory.view.open(name, [.readWrite, .noFollow]),
        (try? file.view.tryLock(.exclusive)) == true,
        let status = try? file.view.status(), status.linkCount > 0
      else { continue }
      try? directory.view.unlink(name)
    }
  }

  /// Waits for the lock of a layer in a folder of locks.
  ///
  /// - Parameters:
  ///   - id: The layer's.
  ///   - folder: Made if it is missing.
  ///   - held: Those that the caller has already: it is not they that stand still meanwhile.
  ///   - patience: For how many seconds one is waited for who does not get on; nil: as long as it takes.
  ///   - onWait: Told after a second who it is.
  /// - Returns: Nil where it cannot be had: there is no such folder, or nothing gets on.
  /// - Throws: EINTR if the end was asked for.
  static func wait(
    for id: String, in folder: RawPath, holding held: [LayerLock], patience: Int?,
    onWait: ((RawPath, String?) -> Void)?
  ) throws(StoreError) -> LayerLock? {
    let path = folder.appending(RawPath(prefix + id))
    let begin = monotonicNanoseconds()
    var isTold = false
    do throws(Errno) {
      try FileDescriptor.workingDirectory.makeDirectories(folder, mode: 0o700)
      while true {
        let opened = try FileDescriptor.workingDirectory.open(
          path, [.readWrite, .create, .noFollow], mode: 0o644)
        let file = SharedDescriptor(opened)
        while try !file.view.tryLock(.exclusive) {
          let status = try file.view.status()
          // Whoever had it is done.
          if status.linkCount == 0 { break }
          if let patience, FileTime.now.seconds - status.modificationTime.seconds >= patience {
            return nil
          }
          if !isTold, monotonicNanoseconds() - begin > 1_000_000_000 {
            isTold = true
            onWait?(path, file.view.lockHolder()?.description)
          }
          for lock in held { lock.touch() }
          try Interruption.check()
          pause(milliseconds: 10)
        }
        if try file.view.status().linkCount > 0, try file.view.tryLock(.exclusive) {
          let lock = LayerLock(file, path)
          try? file.view.setTimes(access: .now, modification: .now)
          return lock
        }
      }
    } catch {
      if error == .interrupted { throw StoreError(error, "locking \(path)") }
      return nil
    }
  }

  /// Tells those who wait that this gets on; from any thread, often.
  func touch() {
    let now = monotonicNanoseconds()
    let last = touched.load(ordering: .relaxed)
    guard now - last > 1_000_000_000,
      touched.compareExchange(expected: last, desired: now, ordering: .relaxed).exchanged
    else { return }
    try? file.view.setTimes(access: .now, modification: .now)
  }
}
