import StrataConfig
import StrataModel
import StrataSystem

/// Why an ordinary user got no namespace.
struct NamespaceError: Error, CustomStringConvertible {
  var description: String
}

/// Moves this process into a user and mount namespace in which the user is root and owns the
/// subordinate ids, as podman and buildah do before they touch a store, and says so to children by
/// the variables that those programs set.
///
/// `surroundings` are then those of the inside.
///
/// Without a fork: what was started keeps its process id, its descriptors and its parent.
func enterStorageNamespace(
  _ surroundings: inout Surroundings, warn: (String) -> Void
) throws(NamespaceError) {
  let uid = effectiveUserID
  let gid = effectiveGroupID
  let name = PasswordFile(root: surroundings.root).name(of: uid)
  let owned = SubordinateIDs(user: name, uid: uid, root: surroundings.root)
  let uidProgram = StorageSettings.search("newuidmap", surroundings)
  let gidProgram = StorageSettings.search("newgidmap", surroundings)
  do throws(UserNamespace.Failure) {
    if let uidProgram, let gidProgram, !owned.uids.isEmpty, !owned.gids.isEmpty {
      try UserNamespace.enter(
        uids: namespaceRanges(owned.uids), gids: namespaceRanges(owned.gids),
        uidProgram: uidProgram, gidProgram: gidProgram)
    } else {
      let who = name ?? String(uid)
      warn(
        uidProgram == nil || gidProgram == nil
          ? "newuidmap is not installed, so files of other users cannot be kept: "
            + "install the package uidmap"
          : "\(who) has no subordinate ids, so files of other users cannot be kept: "
            + "add \(who):100000:65536 to /etc/subuid and /etc/subgid")
      try UserNamespace.enterAlone()
    }
  } catch {
    throw NamespaceError(description: "entering a user namespace: \(error)")
  }
  let marks = [
    "_CONTAINERS_USERNS_CONFIGURED": "done", "_CONTAINERS_ROOTLESS_UID": String(uid),
    "_CONTAINERS_ROOTLESS_GID": String(gid),
  ]
  for (name, value) in marks {
    setEnvironmentValue(name, value)
    surroundings.variables[name] = value
  }
  surroundings.userID = effectiveUserID
  surroundings.isPrivileged = true
}

private func namespaceRanges(_ ranges: [SubordinateIDs.Range]) -> [UserNamespace.Range] {
  SubordinateIDs.maps(ranges, from: 1).map {
    UserNamespace.Range(inside: $0.containerID, outside: $0.hostID, count: $0.size)
  }
}
