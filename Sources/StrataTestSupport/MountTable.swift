package import StrataSystem

/// One line of `/proc/self/mountinfo`.
package struct MountTableEntry: Sendable, Equatable {
  package var id: Int
  package var parentID: Int
  /// The part of its file system that is mounted.
  package var root: RawPath
  package var mountPoint: RawPath
  /// Options of the mount, comma separated.
  package var options: String
  package var type: String
  package var source: RawPath
  /// Options of the file system, comma separated.
  package var superOptions: String
}

/// The mounts of this process's mount namespace, in the kernel's order.
///
/// C: `/proc/self/mountinfo`.
package func mountTable() throws(Errno) -> [MountTableEntry] {
  let text = try FileDescriptor.workingDirectory.contents(of: "/proc/self/mountinfo")
  return text.split(separator: UInt8(ascii: "\n")).compactMap(parseMount)
}

/// The mounts at `path` and below it, deepest and latest first: the order to unmount them in.
package func mounts(below path: RawPath) throws(Errno) -> [MountTableEntry] {
  let inside = RawPath(Array(path.bytes) + [UInt8(ascii: "/")])
  return try mountTable().reversed().filter {
    $0.mountPoint == path || $0.mountPoint.hasPrefix(inside)
  }
}

/// Unmounts everything at `path` and below it; what is an ordinary user's goes through fusermount3.
///
/// What cannot be unmounted is detached; what cannot be detached stays.
package func unmountAll(below path: RawPath) {
  for _ in 0..<8 {
    guard let found = try? mounts(below: path), !found.isEmpty else { return }
    for entry in found {
      do throws(Errno) {
        try unmount(entry.mountPoint, detach: true)
      } catch {
        _ = try? runProgram("fusermount3", ["-u", "-z", entry.mountPoint.description])
      }
    }
  }
}

/// Fields: id, parent, major:minor, root, mount point, options, optional ones up to `-`, type,
/// source, options of the file system (proc(5)).
private func parseMount(_ line: ArraySlice<UInt8>) -> MountTableEntry? {
  let fields = line.split(separator: UInt8(ascii: " "))
  guard let dash = fields.firstIndex(where: { $0.elementsEqual("-".utf8) }), dash >= 6,
    fields.count >= dash + 4, let id = Int(text(fields[0])), let parent = Int(text(fields[1]))
  else { return nil }
  return MountTableEntry(
    id: id, parentID: parent, root: unescaped(fields[3]), mountPoint: unescaped(fields[4]),
    options: text(fields[5]), type: text(fields[dash + 1]), source: unescaped(fields[dash + 2]),
    superOptions: text(fields[dash + 3]))
}

private func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

/// Undoes the kernel's `\ooo` for space, tab, newline and backslash.
private func unescaped(_ field: ArraySlice<UInt8>) -> RawPath {
  var result: [UInt8] = []
  var rest = field
  while let byte = rest.popFirst() {
    let digits = rest.prefix(3)
    if byte == UInt8(ascii: "\\"), digits.count == 3, let value = UInt8(text(digits), radix: 8) {
      result.append(value)
      rest = rest.dropFirst(3)
    } else {
      result.append(byte)
    }
  }
  return RawPath(result)
}
