/// The mount points at or below an absolute path, in the order of mounting; a point that carries
/// several mounts appears as often.
///
/// The path is resolved first, since the kernel lists real ones. Source: `/proc/self/mountinfo`,
/// see proc(5).
package func mountPoints(atOrBelow path: RawPath) throws(Errno) -> [RawPath] {
  let here = FileDescriptor.workingDirectory
  let target = try here.open(path, [.path])
  let real = try here.readLink(target.view.procPath)
  let prefix = Array(real.bytes) + (real == "/" ? [] : [UInt8(ascii: "/")])
  var points: [RawPath] = []
  for line in try here.contents(of: "/proc/self/mountinfo").split(separator: UInt8(ascii: "\n")) {
    // Fields: mount id, parent id, device, root, mount point, ...
    let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
    guard fields.count > 4 else { continue }
    let point = RawPath(unescaped(fields[4]))
    if point == real || point.bytes.starts(with: prefix) { points.append(point) }
  }
  return points
}

/// Undoes the octal escapes of space, tab, newline and backslash.
private func unescaped(_ text: ArraySlice<UInt8>) -> [UInt8] {
  var result: [UInt8] = []
  var rest = text
  while let byte = rest.popFirst() {
    let digits = rest.prefix(3)
    if byte == UInt8(ascii: "\\"), digits.count == 3,
      digits.allSatisfy({ (0x30...0x37).contains($0) })
    {
      result.append(digits.reduce(0) { ($0 &* 8) &+ ($1 - 0x30) })
      rest = rest.dropFirst(3)
    } else {
      result.append(byte)
    }
  }
  return result
}
