import Glibc
import StrataSystem

/// `work` below the work directory: where things are made before they take their place.
///
/// Everything lies directly in it under names `#` and 16 hex digits, since the kernel's overlay cleans
/// one level only. It is emptied at the start and never at the end, when the caller may already be
/// deleting the layer.
package final class WorkDirectory {
  let descriptor: SharedDescriptor
  /// Where marks can be written.
  let marks: MarkNamespace
  /// Whether devices 0:0 can be made; turned off by the first refusal.
  var makesDevices: Bool
  /// The whiteout that is linked into place, once there is one.
  var whiteout: RawPath?
  /// Whether O_TMPFILE works here; turned off by the first refusal.
  var makesTemporaryFiles = true
  /// Why two daemons may share this directory, if they do; for the log.
  let isShared: Bool
  private var counter: UInt64

  var view: FileDescriptor { descriptor.view }

  init(opening path: RawPath, upper: Layer, _ options: OverlayOptions) throws(Errno) {
    let outer = try FileDescriptor.workingDirectory.open(path, [.readOnly, .directory])
    do throws(Errno) {
      try outer.view.makeDirectory("work", mode: 0o700)
    } catch  where error == .fileExists {}
    let owner = try outer.view.open("work", [.readOnly, .directory, .noFollow])
    guard try owner.view.status().device == upper.device else { throw .crossDeviceLink }
    counter = randomBytes(8).reduce(0) { $0 << 8 | UInt64($1) }
    makesDevices = options.deviceWhiteouts
    let exclusive = Self.lock(owner.view)
    isShared = !exclusive
    if exclusive {
      Self.empty(owner.view)
      _ = try? owner.view.flock(exclusive: false, wait: false)
    }
    marks = Self.probe(owner.view, userOnly: options.userXattr)
    descriptor = SharedDescriptor(owner)
  }

  /// A name that nothing else has.
  func freeName() -> RawPath {
    counter &+= 1
    let digits = String(counter, radix: 16)
    return RawPath("#" + String(repeating: "0", count: 16 - digits.count) + digits)
  }

  /// Removes what was made and is not wanted, whatever it is.
  func discard(_ name: RawPath) {
    try? view.removeTree(name)
  }

  /// Takes the lock for good if nobody has it.
  ///
  /// A daemon whose mount was just detached ends within moments; one that goes on serving another
  /// mount namespace does not, and is then worked beside, as the kernel's overlay does.
  private static func lock(_ directory: FileDescriptor) -> Bool {
    for attempt in 0..<20 {
      if (try? directory.flock(exclusive: true, wait: false)) == true { return true }
      if attempt < 19 { usleep(10_000) }
    }
    _ = try? directory.flock(exclusive: false, wait: false)
    return false
  }

  /// Removes what a cut left over, as far as that goes.
  private static func empty(_ directory: FileDescriptor) {
    guard let entries = try? directory.entries() else { return }
    for entry in entries { try? directory.removeTree(entry.name) }
  }

  /// Finds out which marks can be written, by writing one.
  private static func probe(_ directory: FileDescriptor, userOnly: Bool) -> MarkNamespace {
    for candidate: MarkNamespace in userOnly ? [.user] : [.trusted, .user] {
      let name = candidate.name("probe")
      if (try? directory.setXattr(name, [UInt8(ascii: "y")])) != nil {
        try? directory.removeXattr(name)
        return candidate
      }
    }
    return .none
  }
}
