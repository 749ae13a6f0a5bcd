import CFUSE3
import Glibc
import StrataSystem

/// Mounting and unmounting by those who may not: libfuse asks its setuid program `fusermount3`, which
/// hands the device back over a socket.
enum MountHelper {
  /// libfuse prints on standard error what its helper objects to.
  static func mount(
    _ options: MountOptions, on path: RawPath
  ) throws(MountError) -> SharedDescriptor {
    let failure = MountError(description: "cannot mount on \(path): fusermount3 failed")
    guard let session = unsafe makeSession(options.helperWords) else { throw failure }
    let result = unsafe path.withCString { unsafe fuse_session_mount(session, $0) }
    guard result == 0 else {
      unsafe fuse_session_destroy(session)
      throw failure
    }
    // The session object lives as long as the process: destroying it would close the device.
    return SharedDescriptor(FileDescriptorOwner(owning: unsafe fuse_session_fd(session)))
  }

  /// Not by libfuse, which would close the device while others still use the mount.
  static func unmount(_ path: RawPath) {
    for flags in ["-u", "-uz"] as [RawPath] {
      for program in programs {
        guard
          let child = try? ChildProcess.start(
            program, [program.lastComponent, flags, "-q", "--", path]),
          let status = try? child.wait()
        else { continue }
        if status == 0 { return }
      }
    }
  }

  private static let programs: [RawPath] = [
    "/usr/bin/fusermount3", "/bin/fusermount3", "/usr/local/bin/fusermount3",
  ]

  private static func makeSession(_ words: RawPath) -> OpaquePointer? {
    var arguments: [UnsafeMutablePointer<CChar>?] = unsafe [
      strdup("strata-overlay"), strdup("-o"), words.withCString { unsafe strdup($0) }, nil,
    ]
    defer { unsafe arguments.forEach { unsafe free($0) } }
    return unsafe arguments.withUnsafeMutableBufferPointer { argv in
      var list = unsafe fuse_args(argc: 3, argv: argv.baseAddress, allocated: 0)
      var operations = fuse_lowlevel_ops()
      let session = unsafe fuse_session_new(
        &list, &operations, MemoryLayout<fuse_lowlevel_ops>.size, nil)
      unsafe fuse_opt_free_args(&list)
      return unsafe session
    }
  }
}

extension MountOptions {
  /// As libfuse takes them.
  ///
  /// Without words to the contrary it adds nosuid and nodev; `allow_other` is an ordinary user's
  /// only where /etc/fuse.conf says so, hence never asked for by ourselves.
  fileprivate var helperWords: RawPath {
    var words = [
      "fsname=\(escaped(source))", "subtype=\(escaped(subtype))",
      flags.contains(.readOnly) ? "ro" : "rw",
    ]
    if flags.contains(.noAccessTime) { words.append("noatime") }
    if flags.contains(.noExecution) { words.append("noexec") }
    if flags.contains(.synchronous) { words.append("sync") }
    if flags.contains(.directorySynchronous) { words.append("dirsync") }
    if defaultPermissions { words.append("default_permissions") }
    if allowOther ?? false { words.append("allow_other") }
    if setUserID ?? false { words.append("suid") }
    if devices ?? false { words.append("dev") }
    if let maxRead { words.append("max_read=\(maxRead)") }
    return RawPath(words.joined(separator: ","))
  }

  private func escaped(_ value: RawPath) -> String {
    var result = ""
    for character in value.description {
      if character == "," || character == "\\" { result.append("\\") }
      result.append(character)
    }
    return result
  }
}

/// The version of the libfuse that is linked in, as `3.14.0`.
package var libfuseVersion: String {
  guard let text = unsafe fuse_pkgversion() else { return "" }
  return unsafe String(cString: text)
}
