import CStrata

/// A pipe through which pages of a file go to another descriptor without being copied into this
/// process; never blocks.
package final class PagePipe: Sendable {
  private let output: SharedDescriptor
  private let input: SharedDescriptor

  /// `capacity` counts whole pages; EPERM for more than an ordinary user may have.
  ///
  /// C: `pipe2`, `fcntl(F_SETPIPE_SZ)`.
  package init(capacity: Int) throws(Errno) {
    var ends: [Int32] = [-1, -1]
    try check { unsafe cstrata_page_pipe(&ends, Int32(capacity)) }
    output = SharedDescriptor(FileDescriptorOwner(owning: ends[0]))
    input = SharedDescriptor(FileDescriptorOwner(owning: ends[1]))
  }

  /// Puts bytes in.
  package func put(_ bytes: RawSpan) throws(Errno) { try input.view.writeAll(bytes) }

  /// Puts `count` bytes of a file in; false if it gave fewer.
  ///
  /// C: `splice`.
  package func put(_ file: FileDescriptor, at offset: Int64, count: Int) throws(Errno) -> Bool {
    var offset = offset
    var left = count
    while left > 0 {
      let moved = try checked {
        unsafe cstrata_splice(file.rawValue, &offset, input.view.rawValue, left)
      }
      if moved == 0 { return false }
      left -= moved
    }
    return true
  }

  /// Takes `count` bytes out, to a descriptor that takes them all at once.
  ///
  /// C: `splice`.
  package func take(_ count: Int, to target: FileDescriptor) throws(Errno) {
    let moved = try checked {
      cstrata_splice(output.view.rawValue, nil, target.rawValue, count)
    }
    if moved != count { throw .inputOutputError }
  }
}
