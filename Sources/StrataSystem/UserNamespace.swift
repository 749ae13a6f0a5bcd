import CStrata

/// Entering a user and mount namespace in which an ordinary user is root and owns the subordinate
/// ids that newuidmap(1) and newgidmap(1) grant: what podman and buildah call `unshare`.
package enum UserNamespace {
  /// A run of ids, as the two programs take it.
  package struct Range: Sendable, Hashable {
    package var inside: UInt32
    package var outside: UInt32
    package var count: UInt32

    package init(inside: UInt32, outside: UInt32, count: UInt32) {
      self.inside = inside
      self.outside = outside
      self.count = count
    }
  }

  /// Why the namespace could not be entered.
  package enum Failure: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kernel refused.
    case system(Errno)
    /// `newuidmap` or `newgidmap` ended with an error.
    case program(RawPath)

    package var description: String {
      switch self {
      case .system(.invalidArgument): "the process has several threads"
      case .system(let errno): "the kernel refuses a user namespace: \(errno)"
      case .program(let path):
        "\(path) refuses the ranges of /etc/subuid and /etc/subgid: see that they name this user"
      }
    }
  }

  /// Enters with the caller's ids as 0 and the given ranges behind them.
  ///
  /// `uidProgram` and `gidProgram` are newuidmap and newgidmap. The process must still have one
  /// thread.
  package static func enter(
    uids: [Range], gids: [Range], uidProgram: RawPath, gidProgram: RawPath
  ) throws(Failure) {
    let uidArguments = arguments("newuidmap", [ownRange(effectiveUserID)] + uids)
    let gidArguments = arguments("newgidmap", [ownRange(effectiveGroupID)] + gids)
    let result: Int32
    do throws(Errno) {
      result = try unsafe uidProgram.withCString { uidPath throws(Errno) -> Int32 in
        try unsafe gidProgram.withCString { gidPath throws(Errno) -> Int32 in
          try unsafe withCStrings(uidArguments) { uidArgv throws(Errno) -> Int32 in
            try unsafe withCStrings(gidArguments) { gidArgv throws(Errno) -> Int32 in
              unsafe cstrata_enter_user_namespace(uidPath, uidArgv, gidPath, gidArgv)
            }
          }
        }
      }
    } catch {
      throw .system(error)
    }
    if result < 0 { throw .system(Errno(rawValue: -result)) }
    if result > 0 { throw .program(result == 1 ? uidProgram : gidProgram) }
  }

  /// Enters with one id of each kind: the caller's own as 0.
  ///
  /// For users without subordinate ids.
  package static func enterAlone() throws(Failure) {
    let result = cstrata_enter_user_namespace_single(effectiveUserID, effectiveGroupID)
    if result < 0 { throw .system(Errno(rawValue: -result)) }
  }

  private static func ownRange(_ id: UInt32) -> Range {
    Range(inside: 0, outside: id, count: 1)
  }

  private static func arguments(_ name: RawPath, _ ranges: [Range]) -> [RawPath] {
    var words = [name, RawPath(String(processID))]
    for range in ranges {
      words += [range.inside, range.outside, range.count].map { RawPath(String($0)) }
    }
    return words
  }
}
