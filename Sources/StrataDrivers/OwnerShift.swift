package import StrataModel
import StrataPersistence
package import StrataSystem

/// Who owns a file for other ID maps, or a copy of it, by who owns it now: the same as containers see it.
package struct OwnerShift: Sendable {
  private let from: IDMappings
  private let to: IDMappings
  private let given: (uid: UInt32, gid: UInt32)?
  private let overflows: Bool

  /// The kernel's id for what no map knows (/proc/sys/kernel/overflowuid, by default).
  private static let overflow: UInt32 = 65534

  /// `given` is an owner as a container sees it, in place of all others.
  ///
  /// `overflows`: what the new maps do not know belongs to the overflow ids, as the peers have it in the
  /// layers that they copy for other maps.
  package init(
    from: IDMappings, to: IDMappings, given: (uid: UInt32, gid: UInt32)? = nil,
    overflows: Bool = false
  ) {
    self.from = from
    self.to = to
    self.given = given
    self.overflows = overflows
  }

  /// The new owner of a file; `path` is for the message.
  ///
  /// Errors: `.invalidMappings` for one that the maps do not know.
  package func owner(of status: FileStatus, _ path: RawPath) throws(StoreError) -> (
    uid: UInt32, gid: UInt32
  ) {
    if given == nil, from == to { return (status.uid, status.gid) }
    var inside = given ?? from.toContainer(uid: status.uid, gid: status.gid)
    // Where a parent should have had maps and has none, root is root.
    if inside == nil, overflows, (status.uid, status.gid) == (0, 0) { inside = (0, 0) }
    if let inside {
      if let owner = to.toHost(uid: inside.uid, gid: inside.gid) { return owner }
      if overflows {
        let user = IDMappings(uids: to.uids).toHost(uid: inside.uid, gid: 0)
        let group = IDMappings(gids: to.gids).toHost(uid: 0, gid: inside.gid)
        return (user?.uid ?? Self.overflow, group?.gid ?? Self.overflow)
      }
    }
    throw StoreError(
      .invalidMappings,
      "\(path): no mapping for owner \(status.uid):\(status.gid): invalid mappings specified")
  }
}
