import CStrata
import Glibc
package import StrataSystem

/// Why a file system could not be mounted.
package struct MountError: Error, Sendable, CustomStringConvertible {
  package let description: String
}

/// A FUSE mount made by this process, and the device through which the kernel asks.
///
/// With CAP_SYS_ADMIN over the mount namespace (root, and root of a user namespace) mount(2) is called
/// at once; else libfuse's setuid helper `fusermount3` does it.
package final class Mount: Sendable {
  package let device: SharedDescriptor
  /// Absolute, since a daemon's working directory is another.
  package let path: RawPath
  /// False for a device that was mounted by somebody else (`/dev/fd/N`).
  private let isOurs: Bool

  package init(_ options: MountOptions) throws(MountError) {
    if let number = options.givenDevice {
      device = SharedDescriptor(FileDescriptorOwner(owning: number))
      path = options.mountPoint
      isOurs = false
      return
    }
    path = try Self.absolute(options.mountPoint)
    isOurs = true
    if hasCapability(.systemAdministration), let direct = try Self.direct(options, on: path) {
      device = direct
    } else {
      device = try MountHelper.mount(options, on: path)
    }
  }

  /// Takes the mount away; one that is in use leaves the tree now and ends with its last user.
  package func unmount() {
    guard isOurs else { return }
    do throws(Errno) {
      try StrataSystem.unmount(path)
    } catch {
      if error == .busy { try? StrataSystem.unmount(path, detach: true) }
      if error == .operationNotPermitted { MountHelper.unmount(path) }
    }
  }

  /// Takes the mount out of the tree whoever uses it; it ends with its last user.
  package func detach() {
    guard isOurs else { return }
    do throws(Errno) {
      try StrataSystem.unmount(path, detach: true)
    } catch {
      if error == .operationNotPermitted { MountHelper.unmount(path) }
    }
  }

  private static func absolute(_ path: RawPath) throws(MountError) -> RawPath {
    let resolved = unsafe path.withCString { name -> RawPath? in
      guard let real = unsafe realpath(name, nil) else { return nil }
      defer { unsafe free(real) }
      return unsafe RawPath(UnsafeRawBufferPointer(start: real, count: strlen(real)))
    }
    guard let resolved else {
      throw MountError(
        description: "failed to access mountpoint \(path): \(Errno(rawValue: errno))")
    }
    return resolved
  }

  /// Calls mount(2); nil if the kernel leaves it to the helper (EPERM).
  private static func direct(
    _ options: MountOptions, on path: RawPath
  ) throws(MountError) -> SharedDescriptor? {
    let device: FileDescriptorOwner
    do throws(Errno) {
      device = try FileDescriptor.workingDirectory.open("/dev/fuse", .readWrite)
    } catch {
      throw MountError(
        description: "cannot open /dev/fuse: \(error); is the kernel's module fuse loaded?")
    }
    do throws(Errno) {
      try StrataSystem.mount(
        options.source, on: path, type: RawPath(Array("fuse.".utf8) + options.subtype.bytes),
        flags: options.directFlags, data: options.data(device: device.view))
    } catch {
      if error == .operationNotPermitted { return nil }
      throw MountError(description: "cannot mount on \(path): \(error)")
    }
    return SharedDescriptor(device)
  }
}

extension MountOptions {
  /// The number in a mount point `/dev/fd/N`: the device of a mount that the caller made.
  package var givenDevice: Int32? {
    let prefix: RawPath = "/dev/fd/"
    guard mountPoint.hasPrefix(prefix) else { return nil }
    return Int32(String(decoding: mountPoint.bytes.dropFirst(prefix.count), as: UTF8.self))
  }

  /// What the file system type itself reads.
  fileprivate func data(device: FileDescriptor) -> RawPath {
    var words = [
      "fd=\(device.rawValue)", "rootmode=40000", "user_id=\(getuid())", "group_id=\(getgid())",
    ]
    if defaultPermissions { words.append("default_permissions") }
    if allowOther ?? true { words.append("allow_other") }
    if let maxRead { words.append("max_read=\(maxRead)") }
    var data = RawPath(words.joined(separator: ","))
    if !securityContexts.isEmpty, Self.hasSELinux {
      for context in securityContexts {
        data = RawPath(data.bytes + [UInt8(ascii: ",")] + context.bytes)
      }
    }
    return data
  }

  /// Root may give out suid programs and device nodes, as kernel overlay does; in a user namespace
  /// device nodes stay unopenable whatever is asked for, so the flag tells the truth.
  fileprivate var directFlags: MountFlags {
    var flags = flags
    if !(setUserID ?? true) { flags.insert(.noSetUserID) }
    if !(devices ?? isInitialUserNamespace) { flags.insert(.noDevices) }
    return flags
  }

  /// Labels are refused by a kernel that has no SELinux: they are dropped there, as the peers do.
  private static var hasSELinux: Bool {
    (try? FileDescriptor.workingDirectory.exists("/sys/fs/selinux/enforce")) ?? false
  }
}

/// Whether this process is in the first user namespace, which maps every id to itself.
package var isInitialUserNamespace: Bool {
  guard
    let map = try? FileDescriptor.workingDirectory.contents(
      of: "/proc/self/uid_map", limit: 4096)
  else { return true }
  let fields = map.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
  return fields.map { String(decoding: $0, as: UTF8.self) } == ["0", "0", "4294967295"]
}
