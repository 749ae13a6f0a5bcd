import Glibc

/// Two connected sockets that keep messages apart: what one end writes in one call, the other reads
/// in one.
///
/// C: `socketpair(AF_UNIX, SOCK_SEQPACKET)`.
package func packetSocketPair() throws(Errno) -> (SharedDescriptor, SharedDescriptor) {
  var ends: [Int32] = [-1, -1]
  let type = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
  guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else { throw Errno(rawValue: errno) }
  return (
    SharedDescriptor(FileDescriptorOwner(owning: ends[0])),
    SharedDescriptor(FileDescriptorOwner(owning: ends[1]))
  )
}
