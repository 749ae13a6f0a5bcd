import StrataConfig
import StrataModel
import StrataSystem

/// The options by which the peer's verbs name id maps.
enum IDMapFlags {
  static let all: [PeerFlag] = [
    .switched("--hostuidmap", help: "Force host UID map"),
    .switched("--hostgidmap", help: "Force host GID map"),
    .list("--uidmap", help: "UID map"),
    .list("--gidmap", help: "GID map"),
    .text("--subuidmap", help: "subuid UID map for a user"),
    .text("--subgidmap", help: "subgid GID map for a group"),
  ]

  /// The maps that the options ask for, nil where they ask for none.
  static func mappings(_ arguments: PeerArguments) throws(StoreError) -> IDMappings? {
    var result = IDMappings()
    for (kind, users) in [
      ("uid", arguments.text("subuidmap")), ("gid", arguments.text("subgidmap")),
    ]
    where arguments.isOn("host\(kind)map") {
      if users == nil, arguments.list("\(kind)map").isEmpty { continue }
      throw StoreError(
        .usage, "host \(kind) map specified along with \(kind.uppercased()) mapping")
    }
    var user = arguments.text("subuidmap")
    var group = arguments.text("subgidmap")
    if user == nil { user = group }
    if group == nil { group = user }
    if let user, let group {
      let uids = SubordinateIDs.ranges(ofName: user, in: "/etc/subuid")
      let gids = SubordinateIDs.ranges(ofName: group, in: "/etc/subgid")
      if uids.isEmpty || gids.isEmpty {
        throw StoreError(
          .invalidMappings,
          "initializing ID mappings: no subuid ranges found for user \(quoted(user))")
      }
      result.uids = SubordinateIDs.maps(uids, from: 0)
      result.gids = SubordinateIDs.maps(gids, from: 0)
    }
    result.uids += try maps(arguments.list("uidmap"), what: "uid")
    result.gids += try maps(arguments.list("gidmap"), what: "gid")
    // The host's own ids, asked for, are not the same as nothing asked for: not the parent's then.
    let isHost = arguments.isOn("hostuidmap") && arguments.isOn("hostgidmap")
    return result.isEmpty && !isHost ? nil : result
  }

  /// Triples `container:host:size`, several in one text joined by colons too.
  private static func maps(_ texts: [String], what: String) throws(StoreError) -> [IDMap] {
    var result: [IDMap] = []
    for text in texts where !text.isEmpty {
      // Digits alone: no sign.
      let numbers = text.split(separator: ":", omittingEmptySubsequences: false).map {
        $0.first == "+" ? nil : UInt32($0)
      }
      guard numbers.count % 3 == 0, !numbers.contains(nil) else {
        let all = texts.map { quoted($0) }.joined(separator: " ")
        throw StoreError(
          .invalidMappings,
          "initializing ID mappings: \(what) setting is malformed expected "
            + "[\"uint32:uint32:uint32\"]: [\(all)]")
      }
      let values = numbers.compactMap { $0 }
      for start in stride(from: 0, to: values.count, by: 3) where values[start + 2] > 0 {
        result.append(
          IDMap(
            containerID: values[start], hostID: values[start + 1], size: values[start + 2]))
      }
    }
    return result
  }
}
