import CStrata
import Glibc

extension FileDescriptor {
  /// Reads up to the span's length; 0 is the end of the file.
  ///
  /// C: `read`.
  package func read(into span: inout MutableRawSpan) throws(Errno) -> Int {
    try unsafe span.withUnsafeMutableBytes { memory throws(Errno) -> Int in
      try checked { unsafe cstrata_read(rawValue, memory.baseAddress, memory.count) }
    }
  }

  /// Reads at an offset; fewer bytes than asked for only at the end.
  ///
  /// C: `pread`.
  package func read(into span: inout MutableRawSpan, at offset: Int64) throws(Errno) -> Int {
    try unsafe span.withUnsafeMutableBytes { memory throws(Errno) -> Int in
      try checked { unsafe cstrata_pread(rawValue, memory.baseAddress, memory.count, offset) }
    }
  }

  /// Up to `count` bytes from an offset, in one call.
  ///
  /// C: `pread`.
  package func bytes(_ count: Int, at offset: Int64) throws(Errno) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: count)
    let length = try unsafe result.withMutableMemory { memory throws(Errno) -> Int in
      try checked { unsafe cstrata_pread(rawValue, memory.baseAddress, memory.count, offset) }
    }
    result.removeLast(count - length)
    return result
  }

  /// Up to `count` bytes from here, in one call; none at the end.
  ///
  /// C: `read`.
  package func bytes(atMost count: Int) throws(Errno) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: count)
    let length = try unsafe result.withMutableMemory { memory throws(Errno) -> Int in
      try checked { unsafe cstrata_read(rawValue, memory.baseAddress, memory.count) }
    }
    result.removeLast(count - length)
    return result
  }

  /// Writes all bytes, in as many calls as it takes.
  ///
  /// C: `write`.
  package func writeAll(_ bytes: RawSpan) throws(Errno) {
    try unsafe bytes.withUnsafeBytes { memory throws(Errno) in
      var done = 0
      while done < memory.count {
        done += try checked {
          unsafe cstrata_write(
            rawValue, memory.baseAddress.map { unsafe $0 + done }, memory.count - done)
        }
      }
    }
  }

  /// As above for an array.
  package func writeAll(_ bytes: [UInt8]) throws(Errno) {
    try writeAll(bytes.rawSpan)
  }

  /// Writes all bytes at an offset.
  ///
  /// C: `pwrite`.
  package func writeAll(_ bytes: RawSpan, at offset: Int64) throws(Errno) {
    try unsafe bytes.withUnsafeBytes { memory throws(Errno) in
      var done = 0
      while done < memory.count {
        done += try checked {
          unsafe cstrata_pwrite(
            rawValue, memory.baseAddress.map { unsafe $0 + done }, memory.count - done,
            offset + Int64(done))
        }
      }
    }
  }

  /// Everything from here to the end.
  ///
  /// `limit` bounds it: a longer file throws EFBIG.
  package func readToEnd(limit: Int = Int.max) throws(Errno) -> [UInt8] {
    // One byte more than the file has, so that the read after the last one finds room to say 0.
    let expected = (try? status())?.size ?? 0
    var result = [UInt8](repeating: 0, count: Int(min(max(expected + 1, 4096), 1 << 26)))
    var used = 0
    while true {
      if used == result.count { result.append(contentsOf: repeatElement(0, count: used)) }
      let count = try unsafe result.withMutableMemory { memory throws(Errno) -> Int in
        try checked {
          unsafe cstrata_read(
            rawValue, memory.baseAddress.map { unsafe $0 + used }, memory.count - used)
        }
      }
      if count == 0 { break }
      used += count
      if used > limit { throw .fileTooLarge }
    }
    result.removeLast(result.count - used)
    return result
  }

  /// The whole of a file below this directory; a final link is followed only if `resolve` lets it.
  package func contents(
    of path: RawPath, resolve: ResolveFlags = [], limit: Int = Int.max
  ) throws(Errno) -> [UInt8] {
    let file = try open(path, .readOnly, resolve: resolve)
    return try file.view.readToEnd(limit: limit)
  }

  /// C: `lseek`; `whence` as SEEK_SET, SEEK_CUR, SEEK_END, 3 (DATA), 4 (HOLE).
  package func seek(_ offset: Int64, whence: Int32 = SEEK_SET) throws(Errno) -> Int64 {
    try checked { cstrata_lseek(rawValue, offset, whence) }
  }

  /// C: `ftruncate`.
  package func truncate(to size: Int64) throws(Errno) {
    try check { cstrata_ftruncate(rawValue, size) }
  }

  /// C: `fallocate`.
  package func allocate(mode: Int32, offset: Int64, length: Int64) throws(Errno) {
    try check { cstrata_fallocate(rawValue, mode, offset, length) }
  }
}
