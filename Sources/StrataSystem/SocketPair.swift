import Glibc

/// Two connected sockets that keep messages apart: what one end writes in one call, the other reads
/// in one.
///
/// C: `socketpair(AF_UNIX, SOCK_SEQPACKET)`.
package func packetSocketPair() throws(Errno) -> (SharedDescriptor, SharedDescriptor) {
  try socketPair(Int32(SOCK_SEQPACKET.rawValue))
}

/// Two connected sockets with a stream of bytes in either direction.
///
/// C: `socketpair(AF_UNIX, SOCK_STREAM)`.
package func streamSocketPair() throws(Errno) -> (SharedDescriptor, SharedDescriptor) {
  try socketPair(Int32(SOCK_STREAM.rawValue))
}

private func socketPair(_ type: Int32) throws(Errno) -> (SharedDescriptor, SharedDescriptor) {
  var ends: [Int32] = [-1, -1]
  let type = type | Int32(SOCK_CLOEXEC.rawValue)
  guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw Errno(rawValue: errno) }
  return (
    SharedDescriptor(FileDescriptorOwner(owning: ends[0])),
    SharedDescriptor(FileDescriptorOwner(owning: ends[1]))
  )
}

extension FileDescriptor {
  /// Sends all the bytes through a connected socket; EPIPE, and no signal, where nobody is there.
  ///
  /// C: `send(MSG_NOSIGNAL)`.
  package func sendAll(_ bytes: RawSpan) throws(Errno) {
    var done = 0
    while done < bytes.byteCount {
      done += try unsafe bytes.extracting(droppingFirst: done).withUnsafeBytes {
        memory throws(Errno) -> Int in
        while true {
          let count = unsafe send(
            rawValue, memory.baseAddress, memory.count, Int32(MSG_NOSIGNAL))
          if count >= 0 { return count }
          if errno != EINTR { throw Errno(rawValue: errno) }
        }
      }
    }
  }

  /// Nothing more will be sent: the other side reads an end.
  ///
  /// C: `shutdown(SHUT_WR)`.
  package func finishSending() throws(Errno) {
    if shutdown(rawValue, Int32(SHUT_WR)) < 0 { throw Errno(rawValue: errno) }
  }
}
