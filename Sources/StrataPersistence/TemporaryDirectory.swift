package import StrataModel
package import StrataSystem
import Synchronization

/// A directory for what is not yet, or no longer, part of a store: `temp-dir-<n>` in a folder such as
/// `overlay/tempdirs`, and `lock-<n>` beside it, held as long as this lives (storage-format 3.8).
///
/// Nobody needs a lock of the store to use it. Whoever can take the lock of another may remove it: its
/// process has died. The folder is made when it is needed and goes with the last directory in it, since
/// peers up to 1.58 take it for a layer (storage-format 11, rule 11).
///
/// All names are relative to one descriptor of the home, and so must be what is renamed into the home or
/// out of it: a peer may bind-mount the home on itself at any time, and a rename across that fails with
/// EXDEV. A signal that ends the process is put off while one of these is there.
package final class TemporaryDirectory: Sendable {
  /// The directory that the folder lies in.
  package let home: SharedDescriptor
  /// The path of the home, for messages.
  package let homePath: RawPath
  /// This directory, relative to the home.
  package let path: RawPath
  private let lockPath: RawPath
  private let lock: SharedDescriptor
  private let counter = Atomic<Int>(0)
  private let isRemoved = Atomic<Bool>(false)
  private let interruption = InterruptionHold()

  /// Makes a directory in `folder` of the home.
  package init(in folder: RawPath, of home: SharedDescriptor, at homePath: RawPath)
    throws(StoreError)
  {
    self.home = home
    self.homePath = homePath
    var made: (number: String, lock: SharedDescriptor)?
    do throws(Errno) {
      // The folder, and a lock that was not taken yet, may go in between.
      for _ in 0..<1000 where made == nil { made = try Self.make(in: folder, of: home.view) }
      guard made != nil else { throw .busy }
    } catch {
      throw StoreError(error, "make a temporary directory in \(homePath.appending(folder))")
    }
    guard let (number, lock) = made else { throw StoreError(.locked) }
    self.lock = lock
    lockPath = folder.appending(RawPath("lock-\(number)"))
    path = folder.appending(RawPath("temp-dir-\(number)"))
    do throws(Errno) {
      try home.view.makeDirectory(path, mode: 0o700)
    } catch {
      throw StoreError(error, "mkdir \(homePath.appending(path))")
    }
  }

  /// A new lock file, held; nil where somebody was quicker.
  private static func make(in folder: RawPath, of home: FileDescriptor) throws(Errno) -> (
    String, SharedDescriptor
  )? {
    do throws(Errno) {
      try home.makeDirectory(folder, mode: 0o700)
    } catch  where error == .fileExists {}
    let number = String(randomBytes(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
    let name = folder.appending(RawPath("lock-\(number)"))
    do throws(Errno) {
      let file = try home.open(name, [.readWrite, .create, .exclusive], mode: 0o600)
      guard try file.view.tryLock(.exclusive), try file.view.status().linkCount > 0 else {
        return nil
      }
      return (number, SharedDescriptor(file))
    } catch  where error == .fileExists || error == .noSuchFileOrDirectory {
      return nil
    }
  }

  deinit { try? remove() }

  /// A name in this directory that was not given out before, relative to the home.
  package func freshName(_ suffix: String) -> RawPath {
    let number = counter.add(1, ordering: .relaxed).oldValue
    return path.appending(RawPath("\(number)-\(suffix)"))
  }

  /// Removes the directory and what is in it, and the folder if it is the last.
  ///
  /// What somebody streams from stays, with the directory, for the next `recover`. Again is no error.
  package func remove() throws(StoreError) {
    if isRemoved.exchange(true, ordering: .relaxed) { return }
    try Self.remove(path, lockPath, of: home.view, at: homePath)
  }

  /// Removes a directory whose lock is held, and its lock file.
  private static func remove(
    _ path: RawPath, _ lockPath: RawPath, of home: FileDescriptor, at homePath: RawPath
  ) throws(StoreError) {
    var isRead = false
    for name in try names(in: path, of: home, at: homePath) {
      let entry = path.appending(name)
      if isBeingRead(entry, in: home) {
        isRead = true
      } else {
        try ensureRemoved(entry, in: home, at: homePath.appending(entry))
      }
    }
    if isRead { return }
    try ensureRemoved(path, in: home, at: homePath.appending(path))
    do throws(Errno) {
      try home.unlink(lockPath)
    } catch {
      if error != .noSuchFileOrDirectory {
        throw StoreError(error, "unlink \(homePath.appending(lockPath))")
      }
    }
    // Not empty, or gone: others are at work.
    try? home.removeDirectory(lockPath.parent)
  }

  /// Whether a process streams from a layer's directory: it holds a shared flock on the tree.
  private static func isBeingRead(_ entry: RawPath, in home: FileDescriptor) -> Bool {
    for tree in [entry, entry.appending("diff")] {
      guard let opened = try? home.open(tree, [.readOnly, .directory, .noFollow]) else { continue }
      if (try? opened.view.flock(exclusive: true, wait: false)) == false { return true }
    }
    return false
  }

  private static func names(in path: RawPath, of home: FileDescriptor, at homePath: RawPath)
    throws(StoreError) -> [RawPath]
  {
    do throws(Errno) {
      let directory = try home.open(path, [.readOnly, .directory, .noFollow])
      return try directory.view.entries().map(\.name)
    } catch {
      if error == .noSuchFileOrDirectory { return [] }
      throw StoreError(error, "readdir \(homePath.appending(path))")
    }
  }
}

extension TemporaryDirectory {
  /// Removes the directories of processes that have died, or with `dryRun` only finds them.
  ///
  /// What is being streamed from stays until that has ended.
  ///
  /// - Returns: The absolute paths of those directories.
  @discardableResult
  package static func recover(
    in folder: RawPath, of home: FileDescriptor, at homePath: RawPath, dryRun: Bool = false
  ) throws(StoreError) -> [RawPath] {
    let prefixes = ["temp-dir-", "lock-"]
    let numbers = try names(in: folder, of: home, at: homePath).map(\.description).compactMap {
      name in
      prefixes.first { name.hasPrefix($0) }.map { String(name.dropFirst($0.count)) }
    }
    var found: [RawPath] = []
    for number in Set(numbers).sorted() {
      let path = folder.appending(RawPath("temp-dir-\(number)"))
      let lockPath = folder.appending(RawPath("lock-\(number)"))
      guard let lock = try takeOver(lockPath, of: home, at: homePath) else { continue }
      found.append(homePath.appending(path))
      if !dryRun { try remove(path, lockPath, of: home, at: homePath) }
      _ = consume lock
    }
    if !dryRun { try? home.removeDirectory(folder) }
    return found
  }

  /// The lock of a directory whose process has died; nil where that lives, or was quicker.
  private static func takeOver(
    _ lockPath: RawPath, of home: FileDescriptor, at homePath: RawPath
  ) throws(StoreError) -> SharedDescriptor? {
    do throws(Errno) {
      let file = try home.open(lockPath, [.readWrite, .create], mode: 0o600)
      guard try file.view.tryLock(.exclusive) else { return nil }
      // Whoever had the lock may have taken the file away.
      if try file.view.status().linkCount == 0 { return nil }
      return SharedDescriptor(file)
    } catch {
      if error == .noSuchFileOrDirectory { return nil }
      throw StoreError(error, "lock \(homePath.appending(lockPath))")
    }
  }
}
