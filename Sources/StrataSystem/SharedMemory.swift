import CStrata
import Glibc

/// Memory that several processes see at once, one after the other or together: what one wrote stays
/// when it is killed.
///
/// Made from a file in memory; a process that is started with its descriptor maps the same bytes. Numbers
/// are in the machine's order and at multiples of 8; one store of such a number is seen whole or not at
/// all, whenever its process dies.
@safe
package final class SharedMemory: @unchecked Sendable {
  // Never unmapped while this object lives; what lies where, and which thread writes it, is for the
  // types that lay it out: they index it by their own constants, never by what another process wrote.
  private let base: UnsafeMutableRawPointer
  private let size: Int

  package var bytes: UnsafeMutableRawBufferPointer {
    unsafe UnsafeMutableRawBufferPointer(start: base, count: size)
  }

  /// A new file in memory, all zeros, that holds `size` bytes and takes room only where it is written.
  ///
  /// C: `memfd_create`, `ftruncate`.
  package static func make(_ name: RawPath, size: Int) throws(Errno) -> FileDescriptorOwner {
    let file = try anonymousFile(name)
    try file.view.truncate(to: Int64(size))
    return file
  }

  /// Maps the first `size` bytes of such a file; EPROTO where it has fewer.
  ///
  /// C: `mmap(MAP_SHARED)`.
  package init(_ file: FileDescriptor, size: Int) throws(Errno) {
    guard try file.status().size >= Int64(size) else { throw .protocolError }
    guard
      let address = unsafe mmap(
        nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.rawValue, 0),
      unsafe address != MAP_FAILED
    else { throw Errno(rawValue: errno) }
    unsafe base = address
    self.size = size
  }

  deinit {
    unsafe munmap(base, size)
  }

  /// The number at an offset, a multiple of 8 inside of the memory.
  package subscript(offset: Int) -> UInt64 {
    get { unsafe cstrata_load(word(offset)) }
    set { unsafe cstrata_store(word(offset), newValue) }
  }

  private func word(_ offset: Int) -> UnsafeMutablePointer<UInt64> {
    precondition(offset >= 0 && offset % 8 == 0 && offset <= size - 8)
    return unsafe (base + offset).assumingMemoryBound(to: UInt64.self)
  }
}
