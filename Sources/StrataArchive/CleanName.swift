import StrataSystem

/// The name of an entry as a place below a root: cleaned lexically, `..` at the top going nowhere.
///
/// That is how the peer takes names, since it extracts in a chroot: `../x` and `/x` are `x`.
struct CleanName {
  /// The whole, without a leading slash; empty for the root itself.
  let bytes: [UInt8]
  /// Where the last component begins.
  private let start: Int
  /// Whether the name, cleaned by itself, keeps a leading `/` or `..`: by such a name the peer would
  /// not find the file again when it makes the tar anew.
  let isUnusual: Bool

  init(_ name: [UInt8]) {
    var path: [UInt8] = []
    path.reserveCapacity(name.count)
    var isUnusual = name.first == slash
    var index = 0
    while index < name.count {
      var end = index
      while end < name.count, name[end] != slash { end += 1 }
      let length = end - index
      if length == 2, name[index] == dot, name[index + 1] == dot {
        if path.isEmpty { isUnusual = true }
        while let last = path.popLast(), last != slash {}
      } else if length > 1 || (length == 1 && name[index] != dot) {
        if !path.isEmpty { path.append(slash) }
        path.append(contentsOf: name[index..<end])
      }
      index = end + 1
    }
    bytes = path
    start = path.lastIndex(of: slash).map { $0 + 1 } ?? 0
    self.isUnusual = isUnusual
  }

  /// Whether this is the root itself.
  var isRoot: Bool { bytes.isEmpty }
  /// The last component.
  var last: ArraySlice<UInt8> { bytes[start...] }
  /// The directory that holds it; empty for the root.
  var parent: ArraySlice<UInt8> { bytes[..<max(0, start - 1)] }
  /// As a path for a system call; `.` for the root.
  var path: RawPath { bytes.isEmpty ? "." : RawPath(bytes) }
}

private let slash = UInt8(ascii: "/")
private let dot = UInt8(ascii: ".")
