import StrataFUSE
import StrataSystem

/// Answers as a worker: until nobody has the mount any more, or until the holder is to start another;
/// the exit status.
///
/// `makeSource` may start threads.
package func serveHeldStore(
  _ options: DaemonOptions, _ makeSource: () throws -> any LayerSource
) throws -> Int32 {
  WorkerSignals.block()
  let log = StoreLog(level: options.level)
  let device: SharedDescriptor
  let lock: SharedDescriptor
  let memory: DaemonMemory
  let journal: RequestJournal
  do throws(Errno) {
    device = try WorkerDescriptor.device.take()
    let memoryFile = try WorkerDescriptor.memory.take()
    memory = try withExtendedLifetime(memoryFile) { () throws(Errno) -> DaemonMemory in
      try DaemonMemory(memoryFile.view)
    }
    lock = try WorkerDescriptor.lock.take()
    journal = try RequestJournal(memory.shared)
  } catch {
    log.write("worker: what the holder gave it: \(error)", .error)
    return WorkerEnd.otherVersion
  }
  defer { withExtendedLifetime(lock) {} }
  try WorkerSignals.watch()
  let store = try LazyStore(
    state: options.root, source: try makeSource(), generation: journal.generation,
    options: LazyOptions(options), ledger: memory.ledger, log: log)
  do throws(Errno) {
    let session = try Session(StoreFileSystem(store), device: device, journal: journal)
    if journal.starts > 1 {
      log.write("worker \(processID) serves \(options.mountPoint) on", .info)
    }
    defer { store.close() }
    try session.serve()
    return WorkerEnd.mountIsGone
  } catch {
    if error == .noSuchDevice { return WorkerEnd.mountIsGone }
    throw LazyError("cannot serve \(options.mountPoint): \(error)")
  }
}

/// A worker ends at once when it is told to: what it has not answered stands in the journal, and what it
/// was writing is as it would be after a crash.
enum WorkerSignals {
  /// Those of a terminal go to the whole group: only the holder's count.
  private static let ignored = SignalSet([SignalSet.interrupt, SignalSet.user1])
  private static let ending = SignalSet([SignalSet.terminate, SignalSet.hangUp])

  /// Before any other thread is started.
  static func block() {
    ignored.block()
    ending.block()
    ignoreBrokenPipes()
  }

  /// EAGAIN if no thread is to be had.
  static func watch() throws(Errno) {
    try startDetachedThread {
      _ = ending.wait()
      endProcess(WorkerEnd.makesRoom)
    }
  }
}

extension LazyOptions {
  fileprivate init(_ options: DaemonOptions) {
    self = options.bounds
    backgroundFetch = options.backgroundFetch
    trustsBlobDigests = options.trustsBlobDigests
  }
}
