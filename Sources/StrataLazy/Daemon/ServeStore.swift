package import StrataConfig
import StrataFUSE
package import StrataSystem

/// Answers as a worker: until nobody has the mount any more, or until the holder is to start another;
/// the exit status.
///
/// `makeSource` may start threads.
package func serveHeldStore(
  _ words: [RawPath], _ surroundings: Surroundings,
  _ makeSource: (DaemonOptions) throws -> any LayerSource
) throws -> Int32 {
  WorkerSignals.block()
  let configuration: ConfigurationText?
  do throws(Errno) {
    let file = try WorkerDescriptor.configuration.take()
    configuration = try withExtendedLifetime(file) { () throws(Errno) -> ConfigurationText? in
      try ConfigurationText(file.view)
    }
  } catch {
    StoreLog(level: .error).write("worker: what the holder gave it: \(error)", .error)
    return WorkerEnd.otherVersion
  }
  let options = try DaemonOptions(words, configuration, surroundings)
  let log = StoreLog(level: options.level)
  for warning in options.warnings { log.write(warning, .warning) }
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
  let store = try LazyStore(
    state: options.root, source: try makeSource(options), generation: journal.generation,
    options: LazyOptions(options), ledger: memory.ledger, log: log)
  try WorkerSignals.watch { store.close() }
  do throws(Errno) {
    let session = try Session(StoreFileSystem(store), device: device, journal: journal)
    let service = DaemonService(
      store: store, session: session, journal: journal, mountPoint: options.mountPoint,
      givesMetrics: options.givesMetrics)
    do throws(Errno) { try service.start() } catch {
      log.write("no status: \(options.root)/\(DaemonService.socketName): \(error)", .warning)
    }
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

/// A worker that is to be replaced ends at once: what it has not answered stands in the journal, and what
/// it was writing is as it would be after a crash.
///
/// One that nobody follows brings the cache to the disk.
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
  static func watch(_ close: @escaping @Sendable () -> Void) throws(Errno) {
    try startDetachedThread {
      if ending.wait() == SignalSet.terminate {
        close()
        endProcess(WorkerEnd.mountIsGone)
      }
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
