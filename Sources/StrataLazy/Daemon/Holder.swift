package import StrataConfig
import StrataFUSE
package import StrataSystem

/// The process that keeps a mount alive while workers come and go: it has the device, the mount and the
/// memory of what is not answered, and starts a worker, which does all else.
///
/// It reads no request, opens no layer and speaks to nobody, so that little can go wrong in it: only its
/// own death loses the mount. One thread; waits for signals alone. How the two belong together:
/// lazy-design 5, and docs/adr/0020.
final class Holder {
  private var options: DaemonOptions
  /// The command line, which workers get as well.
  private let words: [RawPath]
  private let surroundings: Surroundings
  /// What the configuration file said when it was last read and right.
  private var configuration: SharedDescriptor
  private let mount: Mount
  private let memory: DaemonMemory
  private let memoryFile: SharedDescriptor
  private let lock: SharedDescriptor
  private let log: StoreLog

  private var rule = RestartRule()
  private var worker: ChildProcess?
  /// When to start the next worker, in `monotonicNanoseconds`.
  private var startTime: UInt64?
  /// When to give up the users of a mount that was taken away.
  private var endTime: UInt64?
  private var isReady = false
  /// What is executed as worker: the program as it is on the disk now, unless that does not fit.
  private var program: RawPath

  private static let signals = SignalSet([
    SignalSet.terminate, SignalSet.interrupt, SignalSet.hangUp, SignalSet.user1, SignalSet.child,
  ])
  private static let ownImage: RawPath = "/proc/self/exe"

  /// Mounts; errors say what could not be had.
  init(_ words: [RawPath], _ surroundings: Surroundings) throws {
    Self.signals.block()
    self.words = words
    self.surroundings = surroundings
    (options, configuration) = try Self.configured(words, surroundings)
    log = StoreLog(level: options.level)
    program = (try? FileDescriptor.workingDirectory.readLink(Self.ownImage)) ?? Self.ownImage
    lock = try lockState(options.root)
    try requireOutside(of: options.mountPoint, [options.root] + (options.layout.map { [$0] } ?? []))
    (memoryFile, memory) = try DaemonMemory.make()
    mount = try mountStore(on: options.mountPoint)
  }

  private static func configured(
    _ words: [RawPath], _ surroundings: Surroundings
  ) throws -> (DaemonOptions, SharedDescriptor) {
    let path = try DaemonOptions.configurationPath(words)
    let text = try ConfigurationText.read(path, surroundings)
    let options = try DaemonOptions(words, text, surroundings)
    let file = try text?.file() ?? anonymousFile("strata-lazy-config")
    return (options, SharedDescriptor(file))
  }

  /// Holds until nobody has the mount any more, or until it is asked to end; the exit status.
  func run() -> Int32 {
    startWorker()
    while true {
      let now = monotonicNanoseconds()
      if let time = startTime, time <= now { startWorker() }
      if let time = endTime, time <= now { return giveUpUsers() }
      if !isReady, endTime == nil, memory.isServing { becameReady() }
      switch Self.signals.wait(nanoseconds: waitingTime(now)) {
      case SignalSet.terminate?, SignalSet.interrupt?:
        if let status = stop() { return status }
      case SignalSet.hangUp?: replaceWorker()
      default: break
      }
      if let status = try? worker?.statusIfEnded(), let result = ended(status) { return result }
    }
  }

  /// Until something is to be done without a signal.
  private func waitingTime(_ now: UInt64) -> UInt64 {
    let next = min(startTime ?? .max, endTime ?? .max)
    let time = next > now ? next - now : 0
    return min(time, isReady ? 3_600_000_000_000 : 10_000_000)
  }

  private func becameReady() {
    isReady = true
    notifyServiceManager("READY=1")
    log.write("\(mount.path) is mounted", .info)
  }

  // MARK: - Workers

  private func startWorker() {
    startTime = nil
    let descriptors = WorkerDescriptor.allCases.map { place in
      switch place {
      case .device: mount.device.view
      case .memory: memoryFile.view
      case .lock: lock.view
      case .configuration: configuration.view
      }
    }
    let arguments = ["strata-lazy", "worker"] + words
    for path in [program, Self.ownImage] {
      do throws(Errno) {
        worker = try ChildProcess.start(
          path, arguments, input: .standardInput, output: .standardOutput,
          error: .standardError, descriptors: descriptors, endsWithUs: true)
        log.write("worker \(worker?.pid ?? 0) is started", .debug)
        return
      } catch { log.write("start \(path): \(error)", .error) }
    }
    died("could not be started")
  }

  /// A worker has ended; the exit status of all, if that is the end.
  private func ended(_ status: Int32) -> Int32? {
    let pid = worker?.pid ?? 0
    worker = nil
    switch status {
    case WorkerEnd.mountIsGone:
      log.write("\(mount.path) is unmounted\(endTime == nil ? "" : " after a signal")", .info)
      return 0
    case WorkerEnd.makesRoom:
      startTime = 0
      return nil
    case WorkerEnd.failed where !isReady:
      mount.unmount()
      return 1
    case WorkerEnd.otherVersion where program != Self.ownImage:
      log.write(
        "\(program) is of another version than what serves \(mount.path): "
          + "the new one is used after the next restart of the service", .warning)
      program = Self.ownImage
      startTime = 0
      return nil
    default:
      return died(
        "worker \(pid) " + (status > 128 ? "died of signal \(status - 128)" : "failed"))
    }
  }

  @discardableResult
  private func died(_ what: String) -> Int32? {
    let now = monotonicNanoseconds()
    guard let delay = rule.died(at: now) else {
      log.write(
        "\(what), the fifth time in a minute: \(mount.path) is unmounted; "
          + "start the service again when the cause is gone", .error)
      mount.detach()
      return 1
    }
    log.write("\(what): another is started in \(delay / 1_000_000) ms", .warning)
    startTime = now + delay
    return nil
  }

  // MARK: - Signals

  /// Takes the mount away for new users; a second time it ends at once.
  private func stop() -> Int32? {
    if endTime != nil { return giveUpUsers() }
    endTime = monotonicNanoseconds() + options.stopTimeout
    notifyServiceManager("STOPPING=1")
    mount.unmount()
    return nil
  }

  /// Ends although the mount is in use.
  private func giveUpUsers() -> Int32 {
    for overlay in overlaysOver(mount.path) {
      log.write("\(overlay) is still mounted: what it reads of lazy layers fails now", .warning)
    }
    endWorker()
    log.write("\(mount.path) is given up after a signal, with users left", .warning)
    return 0
  }

  /// Gives the worker time to bring the cache to the disk, and no more.
  private func endWorker() {
    guard let worker else { return }
    try? worker.signal(SignalSet.terminate)
    for _ in 0..<300 {
      if (try? worker.statusIfEnded()) != nil { return }
      pause(milliseconds: 10)
    }
    try? worker.signal(SignalSet.kill)
  }

  /// Another worker, of the program and the configuration as they are now; the one at hand stays where
  /// the configuration is wrong.
  private func replaceWorker() {
    do {
      let (new, file) = try Self.configured(words, surroundings)
      if (new.root, new.mountPoint) != (options.root, options.mountPoint) {
        log.write(
          "root and mount point stay what they are until the service is restarted", .warning)
      }
      (options.stopTimeout, configuration) = (new.stopTimeout, file)
    } catch {
      log.write("nothing is changed: \(error)", .error)
      return
    }
    if let path = try? FileDescriptor.workingDirectory.readLink(Self.ownImage) {
      // A program that was replaced on the disk is shown by its old name.
      let suffix: RawPath = " (deleted)"
      let isReplaced = path.bytes.suffix(suffix.count).elementsEqual(suffix.bytes)
      program = isReplaced ? RawPath(path.bytes.dropLast(suffix.count)) : path
    }
    log.write("the worker is replaced", .info)
    if worker == nil {
      startTime = 0
    } else {
      try? worker?.signal(SignalSet.hangUp)
    }
  }
}

/// Mounts the store and keeps the mount, whatever becomes of the workers; the exit status.
package func holdStore(_ words: [RawPath], _ surroundings: Surroundings) throws -> Int32 {
  // What the caller has left open must not live as long as this.
  closeInheritedDescriptors()
  return try Holder(words, surroundings).run()
}
