import Glibc

extension FileTime {
  /// The wall clock now, in UTC.
  ///
  /// C: `clock_gettime(CLOCK_REALTIME)`.
  package static var now: FileTime {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return FileTime(seconds: Int64(time.tv_sec), nanoseconds: UInt32(time.tv_nsec))
  }
}

/// Nanoseconds of a clock that never jumps.
///
/// C: `clock_gettime(CLOCK_MONOTONIC)`.
package func monotonicNanoseconds() -> UInt64 {
  var time = timespec()
  unsafe clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// Lets the calling thread sleep.
///
/// C: `usleep`.
package func pause(milliseconds: UInt32) {
  usleep(milliseconds * 1000)
}
