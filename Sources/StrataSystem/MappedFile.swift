import Glibc

/// A file in memory, read-only: pages come from the page cache when they are touched, and may go again.
///
/// Numbers are little-endian. A read outside of the file gives zeros and never traps, so that a file
/// that holds wrong offsets costs a wrong answer at worst. The file must not be made shorter while it
/// is mapped: the kernel would answer a touch with SIGBUS. The descriptor need not stay open.
@safe
package final class MappedFile: @unchecked Sendable {
  private let memory: UnsafeRawBufferPointer

  /// Maps the whole of an open file; EINVAL where it is empty.
  ///
  /// C: `mmap(PROT_READ, MAP_SHARED)`.
  package init(_ file: FileDescriptor) throws(Errno) {
    let size = try file.status().size
    guard size > 0, size <= Int64(Int.max) else { throw .invalidArgument }
    guard
      let address = unsafe mmap(nil, Int(size), PROT_READ, MAP_SHARED, file.rawValue, 0),
      unsafe address != MAP_FAILED
    else { throw Errno(rawValue: errno) }
    unsafe memory = UnsafeRawBufferPointer(start: address, count: Int(size))
  }

  deinit {
    if let address = unsafe memory.baseAddress {
      unsafe munmap(UnsafeMutableRawPointer(mutating: address), memory.count)
    }
  }

  /// The size of the file when it was mapped.
  package var count: Int { unsafe memory.count }

  /// The little-endian number at an offset; 0 where it does not lie in the file.
  @inline(__always)
  package func number<Number: FixedWidthInteger & BitwiseCopyable>(
    _ type: Number.Type = Number.self, at offset: Int
  ) -> Number {
    guard offset >= 0, offset <= count - MemoryLayout<Number>.size else { return 0 }
    return unsafe Number(
      littleEndian: memory.loadUnaligned(fromByteOffset: offset, as: Number.self))
  }

  /// The bytes of a range, cut to what lies in the file.
  package func bytes(_ range: Range<Int>) -> [UInt8] {
    let range = range.clamped(to: 0..<count)
    return unsafe [UInt8](UnsafeRawBufferPointer(rebasing: memory[range]))
  }

  /// Lets `use` see a range, cut to what lies in the file.
  package func withBytes<Result, Failure: Error>(
    _ range: Range<Int>, _ use: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let range = range.clamped(to: 0..<count)
    return try unsafe use(UnsafeRawBufferPointer(rebasing: memory[range]).bytes)
  }

  /// How the bytes of a range stand to others, byte by byte, the shorter first: below 0, 0, above 0.
  package func compare(_ range: Range<Int>, with other: ArraySlice<UInt8>) -> Int {
    let range = range.clamped(to: 0..<count)
    return unsafe other.withUnsafeBytes { other in
      let length = min(range.count, other.count)
      if length > 0, let mine = unsafe memory.baseAddress, let theirs = other.baseAddress {
        let order = unsafe memcmp(mine + range.lowerBound, theirs, length)
        if order != 0 { return Int(order) }
      }
      return range.count - other.count
    }
  }
}
