import CStrata

/// A socket with a name in a directory, on which other programs of this machine are heard.
///
/// C: `socket(AF_UNIX, SOCK_STREAM)`, `bind`, `listen`.
package final class LocalListener: Sendable {
  private let socket: SharedDescriptor

  /// Listens on a name in a directory in place of whatever had the name before; mode 0600.
  ///
  /// Errors: of the file system.
  package init(in directory: FileDescriptor, _ name: RawPath) throws(Errno) {
    do throws(Errno) { try directory.unlink(name) } catch {
      if error != .noSuchFileOrDirectory { throw error }
    }
    // A socket's name has at most 107 bytes, so the directory is named by its descriptor.
    let path = directory.procPath.appending(name)
    let number = try unsafe path.withCString { text throws(Errno) -> Int32 in
      try checked { unsafe cstrata_socket_listen(text) }
    }
    socket = SharedDescriptor(FileDescriptorOwner(owning: number))
    try directory.setMode(of: name, 0o600)
  }

  /// The next connection and the user at its other end; waits for one.
  ///
  /// Reads and writes of it fail with EAGAIN after so many seconds.
  package func next(timeLimit seconds: Int32) throws(Errno) -> (SharedDescriptor, uid: UInt32) {
    var uid: UInt32 = 0
    let number = try checked { unsafe cstrata_socket_accept(socket.view.rawValue, seconds, &uid) }
    return (SharedDescriptor(FileDescriptorOwner(owning: number)), uid)
  }
}

/// Connects to whoever listens on a name in a directory; ECONNREFUSED where nobody does any more.
///
/// Reads and writes fail with EAGAIN after so many seconds.
package func connectLocally(
  in directory: FileDescriptor, _ name: RawPath, timeLimit seconds: Int32
) throws(Errno) -> FileDescriptorOwner {
  let path = directory.procPath.appending(name)
  let number = try unsafe path.withCString { text throws(Errno) -> Int32 in
    try checked { unsafe cstrata_socket_connect(text, seconds) }
  }
  return FileDescriptorOwner(owning: number)
}

/// Tells the service manager what state this process is in, as `READY=1`; nothing where it did not ask.
///
/// C: `sd_notify`; the protocol is that of its manual: a datagram to `$NOTIFY_SOCKET`. Nobody's failure
/// but the manager's, so there is no error.
package func notifyServiceManager(_ state: String) {
  guard let path = environmentValue("NOTIFY_SOCKET") else { return }
  let bytes = Array(state.utf8)
  unsafe RawPath(path).withCString { path in
    unsafe bytes.withUnsafeBytes { bytes in
      _ = unsafe cstrata_socket_send(path, bytes.baseAddress, bytes.count)
    }
  }
}
