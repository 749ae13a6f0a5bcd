// Starting the mount program and undoing what it mounted (storage-format 6.2, 6.4).

import StrataModel
import StrataPersistence
import StrataSystem

/// A program that mounts an overlay and stays behind as a daemon, as fuse-overlayfs does.
struct MountProgram {
  /// The program, also its `argv[0]`.
  let path: RawPath
  /// Its working directory, the home of the driver.
  let workingDirectory: RawPath

  /// Starts the program and waits until the mount is usable, which it says by exiting with 0.
  func mount(_ options: RawPath, on point: RawPath) throws(StoreError) {
    let prefix =
      "creating overlay mount to \(point), mount_data=\"\(options)\": using mount program \(path)"
    let status: Int32
    let output: String
    do throws(Errno) {
      // A file and not a pipe: a daemon that keeps its standard error cannot make us wait for it.
      let errors = try anonymousFile("strata-mount-errors")
      let child = try ChildProcess.start(
        path, [path, "-o", options, point], workingDirectory: workingDirectory, error: errors.view)
      status = try child.wait()
      output = try status == 0 ? "" : Self.text(of: errors.view)
    } catch {
      throw StoreError(error, prefix)
    }
    if status != 0 {
      let reason = status > 128 ? "signal \(status - 128)" : "exit status \(status)"
      throw StoreError(
        .mountProgram, "\(prefix): \(output.isEmpty ? "<stderr empty>" : output): \(reason)")
    }
  }

  /// What the program wrote, without the line break at its end.
  private static func text(of file: FileDescriptor) throws(Errno) -> String {
    let bytes = try file.read(count: 64 * 1024, at: 0)
    var text = RawPath(bytes).description
    while text.hasSuffix("\n") { text.removeLast() }
    return text
  }

  /// Takes a mount away: at once where we may, through fusermount3 where only that may, and from
  /// the tree alone where it is in use.
  ///
  /// Nothing mounted there is success.
  static func unmount(_ point: RawPath) throws(StoreError) {
    do throws(Errno) {
      try StrataSystem.unmount(point)
      return
    } catch {
      switch error {
      case .invalidArgument, .noSuchFileOrDirectory: return
      case .operationNotPermitted:
        if runFusermount(point) { return }
      default: break
      }
    }
    // In use: what was written is brought to the disk before the mount goes out of sight.
    if let directory = try? FileDescriptor.workingDirectory.open(point, [.readOnly, .directory]) {
      try? directory.view.synchronizeFileSystem()
    }
    do throws(Errno) {
      try StrataSystem.unmount(point, detach: true)
    } catch {
      if error == .invalidArgument || error == .noSuchFileOrDirectory { return }
      throw StoreError(error, "unmounting \"\(point)\"")
    }
  }

  private static func runFusermount(_ point: RawPath) -> Bool {
    for name in ["fusermount3", "fusermount"] {
      guard let program = findProgram(name),
        let child = try? ChildProcess.start(program, [RawPath(name), "-u", point]),
        (try? child.wait()) == 0
      else { continue }
      return true
    }
    return false
  }

  /// The first executable of this name in PATH.
  private static func findProgram(_ name: String) -> RawPath? {
    let path = environmentValue("PATH") ?? "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    for folder in path.split(separator: ":") {
      let candidate = RawPath(String(folder)).appending(RawPath(name))
      let status = try? FileDescriptor.workingDirectory.status(of: candidate, follow: true)
      if let status, status.type == .regular, status.permissions & 0o111 != 0 { return candidate }
    }
    return nil
  }
}
