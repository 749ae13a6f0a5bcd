import StrataFUSE
import StrataOverlay
import StrataSystem

/// Does what the command line says and returns the exit status: 0 after a plain unmount, 1 for
/// every error at the start and after a signal.
///
/// Silent on success.
func run(_ arguments: [RawPath]) -> Int32 {
  do throws(UsageError) {
    let invocation = try Invocation(
      arguments: Array(arguments.dropFirst()), environment: environmentValue)
    switch invocation {
    case .showHelp: print(helpText)
    case .showVersion: print(versionText())
    case .mount(let options): return serve(options)
    }
    return 0
  } catch {
    return fail("\(error) (see strata-overlay --help)")
  }
}

/// Mounts, goes into the background once the mount is usable, and answers until it is gone.
private func serve(_ options: OverlayOptions) -> Int32 {
  closeInheritedDescriptors(except: options.mount.givenDevice)
  do throws(OverlayError) {
    let fileSystem = try OverlayFileSystem(options)
    return serve(fileSystem, options)
  } catch {
    return fail("\(error)")
  }
}

private func serve(_ fileSystem: OverlayFileSystem, _ options: OverlayOptions) -> Int32 {
  let mount: Mount
  do throws(MountError) {
    var settings = options.mount
    if options.isReadOnly { settings.flags.insert(.readOnly) }
    mount = try Mount(settings)
  } catch {
    return fail("\(error)")
  }
  do throws(Errno) {
    let log = OverlayLog(level: options.logLevel, usesSystemLog: !options.foreground)
    // INIT is answered before the fork: the caller may use the mount as soon as the parent ends.
    let session = try Session(
      fileSystem, device: mount.device, traces: options.debug, spin: UInt64(options.spin) * 1000,
      onFailure: log.failed)
    if !options.foreground { try detachFromCaller() }
    let signals = try SignalWatcher(mount) { log.report(fileSystem.report()) }
    log.write("\(mount.path) is mounted", .info)
    defer { log.write("\(mount.path) is unmounted", .info) }
    try session.serve()
    return signals.wasAskedToEnd ? 1 : 0
  } catch {
    mount.unmount()
    return fail("cannot serve \(mount.path): \(error)")
  }
}

private func fail(_ message: String) -> Int32 {
  try? FileDescriptor.standardError.writeAll(Array("strata-overlay: \(message)\n".utf8))
  return 1
}
