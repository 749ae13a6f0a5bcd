import Glibc
package import StrataModel
package import StrataSystem
import Synchronization

/// A lock file of a store: whole-file record locks and the token of the last writer.
///
/// Every acquisition opens the file anew and takes an open-file-description lock, so the kernel keeps
/// the threads of this process apart as it keeps processes apart, and the process-owned locks of the
/// Go tools too (storage-format 3.1). One object for each (device, inode): two paths of one file would
/// wait for each other for ever. A thread that asks for what it holds itself gets an error instead.
package final class LockFile: Sendable {
  /// The path it was opened by.
  package let path: RawPath
  /// Opened for reading only, as those of additional image stores are: only shared locks.
  package let isReadOnly: Bool
  /// Which thread holds it how: for the error in place of a thread that waits for itself.
  private let holders = Mutex<[Holder]>([])

  private init(_ path: RawPath, isReadOnly: Bool) {
    self.path = path
    self.isReadOnly = isReadOnly
  }

  /// The lock of a path.
  ///
  /// The file is made, 0644, and its directory, 0700, where they are missing.
  ///
  /// The object of another path is returned if that is the same file.
  ///
  /// Errors: the kernel's; EROFS for a read-only lock means that its file is missing and cannot be
  /// made (the peer skips such an image store).
  package static func open(_ path: RawPath, readOnly: Bool = false) throws(StoreError) -> LockFile {
    let file = try openFile(path, readOnly: readOnly)
    let identity: FileIdentity
    do throws(Errno) { identity = FileIdentity(try file.view.status()) } catch {
      throw StoreError(error, "stat \(path)")
    }
    return registry.withLock { known in
      known = known.filter { $0.value.lock != nil }
      // An inode number comes again after a deletion, so the known path must still lead to it.
      if let lock = known[identity]?.lock, readOnly || !lock.isReadOnly,
        let status = try? FileDescriptor.workingDirectory.status(of: lock.path, follow: true),
        FileIdentity(status) == identity
      {
        return lock
      }
      let lock = LockFile(path, isReadOnly: readOnly)
      known[identity] = WeakLock(lock: lock)
      return lock
    }
  }

  /// Waits for a shared lock.
  package func shared() throws(StoreError) -> ReadHold {
    let file = try acquire(.shared)
    return ReadHold(lock: self, file: file)
  }

  /// Waits for the exclusive lock.
  package func exclusive() throws(StoreError) -> WriteHold {
    if isReadOnly {
      throw StoreError(.storeIsReadOnly, "can't take write lock on read-only lock file \(path)")
    }
    let file = try acquire(.exclusive)
    return WriteHold(lock: self, file: file)
  }

  /// The exclusive lock if nobody holds the file, else nil at once.
  package func tryExclusive() throws(StoreError) -> WriteHold? {
    let file = try Self.openFile(path, readOnly: false)
    do throws(Errno) {
      guard try file.view.tryLock(.exclusive) else { return nil }
    } catch {
      throw StoreError(error, "locking \(path)")
    }
    register(.exclusive)
    return WriteHold(lock: self, file: file)
  }

  private func acquire(_ kind: RecordLockKind) throws(StoreError) -> FileDescriptorOwner {
    let thread = pthread_self()
    let waitsForItself = holders.withLock { held in
      held.contains { $0.thread == thread && ($0.kind == .exclusive || kind == .exclusive) }
    }
    if waitsForItself {
      throw StoreError(.usage, "lock \(quoted(path.description)) is already held by this thread")
    }
    // A shared lock needs no right to write: a graph root on a read-only disk can be looked at.
    let file = try Self.openFile(path, readOnly: isReadOnly || kind == .shared)
    try wait(for: kind, file.view)
    register(kind)
    return file
  }

  /// Waits as `LockPatience` says.
  private func wait(for kind: RecordLockKind, _ file: FileDescriptor) throws(StoreError) {
    let patience = patience.withLock { $0 }
    let isNested = exclusiveHolds.load(ordering: .relaxed) > 0
    let begin = monotonicNanoseconds()
    let end = patience.seconds.map { begin + UInt64($0) * 1_000_000_000 }
    // What holds a lock already is in the middle of something: it goes on.
    let check = { () throws(Errno) in if !isNested { try Interruption.check() } }
    do throws(Errno) {
      try check()
      if try tryUntil(min(begin + 1_000_000_000, end ?? .max), kind, file, check) { return }
      if end.map({ $0 > monotonicNanoseconds() }) ?? true {
        patience.onWait?(path, file.lockHolder())
        if try file.lock(kind, until: end, check) { return }
      }
    } catch {
      throw StoreError(error, "locking \(path)")
    }
    let holder = file.lockHolder()?.description ?? "another process"
    let seconds = patience.seconds ?? 0
    let time = seconds > 0 ? ", still after \(seconds) s" : ""
    throw StoreError(
      .locked,
      "\(holder) holds \(path)\(time): try again when it has ended, or wait longer with "
        + "--lock-timeout")
  }

  /// Tries for a while; false if somebody else holds the lock all the time.
  private func tryUntil(
    _ end: UInt64, _ kind: RecordLockKind, _ file: FileDescriptor,
    _ check: () throws(Errno) -> Void
  ) throws(Errno) -> Bool {
    var pauseLength: UInt32 = 1
    while try !file.tryLock(kind) {
      if monotonicNanoseconds() >= end { return false }
      try check()
      pause(milliseconds: pauseLength)
      pauseLength = min(pauseLength * 2, 20)
    }
    return true
  }

  /// How locks are waited for from now on; for the whole process, since locks are.
  package static func wait(with new: LockPatience) {
    patience.withLock { $0 = new }
  }

  private func register(_ kind: RecordLockKind) {
    let holder = Holder(thread: pthread_self(), kind: kind)
    holders.withLock { $0.append(holder) }
  }

  /// Called by a hold that ends.
  ///
  /// A hold may end on another thread than it began on.
  fileprivate func unregister(_ holder: Holder) {
    holders.withLock { held in
      if let index = held.firstIndex(of: holder) { held.remove(at: index) }
    }
  }

  private static func openFile(_ path: RawPath, readOnly: Bool) throws(StoreError)
    -> FileDescriptorOwner
  {
    let flags: OpenFlags = readOnly ? [.readOnly, .create] : [.readWrite, .create]
    let here = FileDescriptor.workingDirectory
    do throws(Errno) {
      do throws(Errno) {
        return try here.open(path, flags, mode: 0o644)
      } catch  where error == .noSuchFileOrDirectory && !path.parent.isEmpty {
        try here.makeDirectories(path.parent, mode: 0o700)
        return try here.open(path, flags, mode: 0o644)
      }
    } catch {
      throw StoreError(error, "open \(path)")
    }
  }
}

/// A thread's hold of a lock.
struct Holder: Hashable, Sendable {
  var thread: UInt
  var kind: RecordLockKind
}

private struct FileIdentity: Hashable, Sendable {
  var device: DeviceNumber
  var inode: UInt64

  init(_ status: FileStatus) {
    device = status.device
    inode = status.inode
  }
}

private struct WeakLock: Sendable {
  weak let lock: LockFile?
}

/// How long locks are waited for, and who is told.
package struct LockPatience: Sendable {
  /// After so many seconds the wait is an error that names the holder; nil: never.
  package var seconds: Int?
  /// Called, from the thread that waits, with the path of a lock that has been waited for longer than
  /// a second and with who holds it, where that can be found out.
  package var onWait: (@Sendable (RawPath, LockHolder?) -> Void)?

  /// Waits without a word as long as it takes.
  package init(
    seconds: Int? = nil, onWait: (@Sendable (RawPath, LockHolder?) -> Void)? = nil
  ) {
    self.seconds = seconds
    self.onWait = onWait
  }
}

private let patience = Mutex(LockPatience())

/// How many exclusive locks this process holds.
private let exclusiveHolds = Atomic<Int>(0)

private let registry = Mutex<[FileIdentity: WeakLock]>([:])

/// Proof that a shared lock is held; it is given back when this goes out of scope.
package struct ReadHold: ~Copyable, Sendable {
  private let lock: LockFile
  private let file: FileDescriptorOwner
  private let holder: Holder

  fileprivate init(lock: LockFile, file: consuming FileDescriptorOwner) {
    self.lock = lock
    self.file = file
    holder = Holder(thread: pthread_self(), kind: .shared)
  }

  deinit { lock.unregister(holder) }

  /// The token as it is now.
  package func lastWriter() throws(StoreError) -> LastWriter {
    try readToken(file.view, lock.path)
  }
}

/// Proof that the exclusive lock is held; it is given back when this goes out of scope.
///
/// A signal that ends the process is put off meanwhile.
package struct WriteHold: ~Copyable, Sendable {
  private let lock: LockFile
  private let file: FileDescriptorOwner
  private let holder: Holder
  private let interruption = InterruptionHold()

  fileprivate init(lock: LockFile, file: consuming FileDescriptorOwner) {
    self.lock = lock
    self.file = file
    holder = Holder(thread: pthread_self(), kind: .exclusive)
    exclusiveHolds.add(1, ordering: .relaxed)
  }

  deinit {
    exclusiveHolds.subtract(1, ordering: .relaxed)
    lock.unregister(holder)
  }

  /// The token as it is now.
  package func lastWriter() throws(StoreError) -> LastWriter {
    try readToken(file.view, lock.path)
  }

  /// Writes a new token and returns it: to be done before the JSON is written, so that a reader who
  /// comes between the two loads once too often and never once too little.
  package func recordWrite() throws(StoreError) -> LastWriter {
    let token = LastWriter.next()
    do throws(Errno) { try file.view.writeAll(token.bytes.rawSpan, at: 0) } catch {
      throw StoreError(error, "write \(lock.path)")
    }
    return token
  }
}

private func readToken(_ file: FileDescriptor, _ path: RawPath) throws(StoreError) -> LastWriter {
  do throws(Errno) { return LastWriter(bytes: try file.bytes(LastWriter.length, at: 0)) } catch {
    throw StoreError(error, "read \(path)")
  }
}
