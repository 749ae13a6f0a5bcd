import CStrata
import Glibc

extension FileDescriptor {
  /// Copies the first `length` bytes of this file into `destination` from its start and sets that
  /// one's size: by reflink if the file system can, else by copy_file_range, else by reading and
  /// writing; holes stay holes.
  ///
  /// `isCancelled` is asked about once a MiB and ends it with EINTR.
  package func copyContents(
    to destination: FileDescriptor, length: Int64, isCancelled: () -> Bool = { false }
  ) throws(Errno) {
    let size = try status().size
    if length == size, cstrata_ficlone(destination.rawValue, rawValue) == 0 { return }
    var position: Int64 = 0
    let end = min(length, size)
    while position < end {
      let dataStart: Int64
      do throws(Errno) {
        dataStart = try seek(position, whence: 3)
      } catch  where error == .noSuchDeviceOrAddress {
        break  // only a hole is left
      } catch  where error == .invalidArgument {
        try copyRange(position..<end, to: destination, isCancelled)
        break
      }
      if dataStart >= end { break }
      let dataEnd = min(end, (try? seek(dataStart, whence: 4)) ?? end)
      try copyRange(dataStart..<dataEnd, to: destination, isCancelled)
      position = dataEnd
    }
    try destination.truncate(to: length)
  }

  private func copyRange(
    _ range: Range<Int64>, to destination: FileDescriptor, _ isCancelled: () -> Bool
  ) throws(Errno) {
    var position = range.lowerBound
    var inKernel = true
    while position < range.upperBound {
      if isCancelled() { throw .interrupted }
      let piece = Int(min(range.upperBound - position, 1 << 20))
      if inKernel {
        var (from, to) = (position, position)
        do throws(Errno) {
          let count = try checked {
            unsafe cstrata_copy_file_range(rawValue, &from, destination.rawValue, &to, piece)
          }
          if count > 0 {
            position += Int64(count)
            continue
          }
        } catch {
          switch error {
          case .crossDeviceLink, .noFunction, .notSupported, .invalidArgument,
            .operationNotPermitted, .badFileDescriptor:
            break
          default: throw error
          }
        }
        inKernel = false
      }
      let bytes = try read(count: piece, at: position)
      if bytes.isEmpty { return }  // the file became shorter meanwhile
      try destination.writeAll(bytes.rawSpan, at: position)
      position += Int64(bytes.count)
    }
  }

  /// Up to `count` bytes at an offset; fewer at the end.
  package func read(count: Int, at offset: Int64) throws(Errno) -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let got = try unsafe buffer.withMutableMemory { memory throws(Errno) -> Int in
        try checked {
          unsafe cstrata_pread(
            rawValue, memory.baseAddress.map { unsafe $0 + done }, count - done,
            offset + Int64(done))
        }
      }
      if got == 0 { break }
      done += got
    }
    buffer.removeLast(count - done)
    return buffer
  }
}
