// Removal of a tree that may hold mounts (storage-format 4.13, last paragraph).

package import StrataModel
package import StrataSystem

/// Removes `name` of `directory` and all below it; `path` is its absolute path.
///
/// Where something is mounted at or below it, that is detached first; what is busy for another
/// reason is tried again for a second.
package func ensureRemoved(
  _ name: RawPath, in directory: FileDescriptor, at path: RawPath
) throws(StoreError) {
  for attempt in 0..<100 {
    do throws(Errno) {
      try directory.removeTree(name)
      return
    } catch {
      // A mount in the way shows as EBUSY, or as EXDEV from a walk that may not cross it.
      guard error == .busy || error == .crossDeviceLink || error == .directoryNotEmpty,
        attempt < 99
      else {
        throw StoreError(error, "while removing \(path)")
      }
    }
    if detachMounts(atOrBelow: path) == 0 { pause(milliseconds: 10) }
  }
}

/// Lazily unmounts everything at or below a path, the deepest first; how many there were.
private func detachMounts(atOrBelow path: RawPath) -> Int {
  guard let points = try? mountPoints(atOrBelow: path) else { return 0 }
  var count = 0
  for point in points.sorted(by: { $0.count > $1.count })
  where (try? unmount(point, detach: true)) != nil {
    count += 1
  }
  return count
}
