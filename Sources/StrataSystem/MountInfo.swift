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

/// A line of the kernel's table of mounts.
package struct MountRow: Sendable {
  /// The absolute path, as this process sees it.
  package var point: RawPath
  package var device: DeviceNumber
  /// As `ext4` or `fuse.name`.
  package var type: RawPath
}

/// All mounts of this process's namespace, in the order of mounting.
///
/// Asks no file system anything. Source: `/proc/self/mountinfo`, see proc(5).
package func mountTable() throws(Errno) -> [MountRow] {
  let text = try FileDescriptor.workingDirectory.contents(of: "/proc/self/mountinfo")
  return text.split(separator: UInt8(ascii: "\n")).compactMap { line in
    // Fields: mount id, parent id, device, root, mount point, options, optional ones, "-", type, ...
    let fields = line.split(separator: UInt8(ascii: " "))
    let device = fields.count > 4 ? fields[2].split(separator: UInt8(ascii: ":")) : []
    guard let dash = fields.firstIndex(of: [UInt8(ascii: "-")]), dash + 1 < fields.count,
      device.count == 2, let major = UInt32(String(decoding: device[0], as: UTF8.self)),
      let minor = UInt32(String(decoding: device[1], as: UTF8.self))
    else { return nil }
    return MountRow(
      point: RawPath(unescaped(fields[4])), device: DeviceNumber(major: major, minor: minor),
      type: RawPath(unescaped(fields[dash + 1])))
  }
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
