import Glibc
import StrataSystem
import Synchronization

/// The token in a lock file that tells who changed the store last: readers compare it whole with the
/// one they remember, nobody takes it apart (storage-format 3.3).
package struct LastWriter: Hashable, Sendable {
  /// 64 bytes; none in a file that was never written, fewer in one that is damaged.
  package let bytes: [UInt8]

  /// The length that a writer keeps: 1.43 takes a shorter file for modified, every time.
  package static let length = 64

  /// A token as read.
  package init(bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// A token that was never there before: time, a counter of this process, its pid, random bytes.
  package static func next() -> LastWriter {
    let now = FileTime.now
    let nanoseconds = UInt64(now.seconds) &* 1_000_000_000 &+ UInt64(now.nanoseconds)
    let (count, _) = counter.wrappingAdd(1, ordering: .relaxed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(length)
    append(nanoseconds, to: &bytes)
    append(count &+ 1, to: &bytes)
    append(UInt32(bitPattern: getpid()), to: &bytes)
    bytes.append(contentsOf: randomBytes(length - bytes.count))
    return LastWriter(bytes: bytes)
  }

  private static func append(_ number: some FixedWidthInteger, to bytes: inout [UInt8]) {
    for shift in stride(from: 0, to: number.bitWidth, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: number >> shift))
    }
  }
}

private let counter = Atomic<UInt64>(0)
