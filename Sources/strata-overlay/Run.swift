import StrataFUSE
import StrataOverlay
import StrataSystem
import Synchronization

/// Does what the command line says and returns the exit status: 0 after a plain unmount, 1 for
/// every error at the start and after a signal.
///
/// Silent on success.
func run(_ arguments: [RawPath]) -> Int32 {
  openMissingStandardDescriptors()
  do throws(UsageError) {
    let invocation = try Invocation(
      arguments: Array(arguments.dropFirst()), environment: environmentValue)
    switch invocation {
    case .showHelp: return show(helpText)
    case .showVersion: return show(versionText())
    case .mount(let options): return serve(options)
    }
  } catch {
    return fail("\(error) (see strata-overlay --help)")
  }
}

/// Mounts, goes into the background once the mount is usable, and answers until it is gone.
private func serve(_ options: OverlayOptions) -> Int32 {
  closeInheritedDescriptors(except: options.mount.givenDevice)
  do throws(OverlayError) {
    let log = OverlayLog(level: options.logLevel, usesSystemLog: !options.foreground)
    let fileSystem = try OverlayFileSystem(options, log)
    return serve(fileSystem, options, log)
  } catch {
    return fail("\(error)")
  }
}

private func serve(
  _ fileSystem: OverlayFileSystem, _ options: OverlayOptions, _ log: OverlayLog
) -> Int32 {
  let mount: Mount
  do throws(MountError) {
    var settings = options.mount
    if options.isReadOnly { settings.flags.insert(.readOnly) }
    mount = try Mount(settings)
  } catch {
    return fail("\(error)")
  }
  do throws(Errno) {
    // INIT is answered before the fork: the caller may use the mount as soon as the parent ends.
    let session = try Session(
      fileSystem, device: mount.device, traces: options.debug, spin: UInt64(options.spin) * 1000)
    if !options.foreground { try detachFromCaller() }
    let signals = try SignalWatcher(mount) {
      log.report(fileSystem.report() + session.report())
    }
    let end = MountEnd()
    let thread = try JoinableThread { end.reach(serve(session, mount, signals, log)) }
    thread.join()
    return end.status
  } catch {
    mount.unmount()
    return fail("cannot serve \(mount.path): \(error)")
  }
}

/// Answers until the mount is gone, on a thread that was started after the fork.
///
/// The first thread of a forked child must take no lock that another may want: a `Mutex` names its
/// owner to the kernel by the thread's number, which the standard library asks for once, and which is
/// the parent's there (found as ESRCH of FUTEX_LOCK_PI, which ends the process).
private func serve(
  _ session: Session, _ mount: Mount, _ signals: SignalWatcher, _ log: OverlayLog
) -> Int32 {
  do throws(Errno) {
    log.write("\(mount.path) is mounted", .info)
    defer { log.write("\(mount.path) is unmounted", .info) }
    try session.serve()
    return signals.wasAskedToEnd ? 1 : 0
  } catch {
    mount.unmount()
    return fail("cannot serve \(mount.path): \(error)")
  }
}

/// The exit status that serving came to.
private final class MountEnd: Sendable {
  private let value = Atomic<Int32>(1)

  var status: Int32 { value.load(ordering: .acquiring) }

  func reach(_ status: Int32) { value.store(status, ordering: .releasing) }
}

/// A text that was asked for; one that cannot be written is an error.
private func show(_ text: String) -> Int32 {
  do throws(Errno) {
    try FileDescriptor.standardOutput.writeAll(Array("\(text)\n".utf8))
    return 0
  } catch {
    return fail("write standard output: \(error)")
  }
}

private func fail(_ message: String) -> Int32 {
  try? FileDescriptor.standardError.writeAll(Array("strata-overlay: \(message)\n".utf8))
  return 1
}
