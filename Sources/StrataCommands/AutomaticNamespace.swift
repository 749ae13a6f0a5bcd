import StrataConfig
import StrataModel
import StrataStore
import StrataSystem

extension Session {
  /// What `--userns` asks for: `auto` or `auto:size=N`.
  ///
  /// The ids are the subordinate ids of the user that `root-auto-userns-user` of storage.conf names; an
  /// ordinary user's are those of the namespace, without the user's own.
  func automaticNamespace(_ text: String) throws -> AutoUserNamespace {
    let words = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    var size: UInt32?
    if words.count == 2, words[1].hasPrefix("size="), let number = UInt32(words[1].dropFirst(5)) {
      size = number
    }
    guard words[0] == "auto", words.count == 1 || (size ?? 0) > 0 else {
      throw StoreError(.usage, "--userns \(text): write auto or auto:size=NUMBER")
    }
    let settings = try settings()
    var wish: AutoUserNamespace
    if surroundings.isRootless {
      wish = AutoUserNamespace(
        size: size, uids: Self.own("/proc/self/uid_map"), gids: Self.own("/proc/self/gid_map"))
    } else {
      let user = settings.rootAutoUserNamespaceUser
      wish = AutoUserNamespace(
        size: size, uids: Self.subordinate(of: user, in: "/etc/subuid"),
        gids: Self.subordinate(of: user, in: "/etc/subgid"))
      if wish.uids.isEmpty || wish.gids.isEmpty {
        throw StoreError(
          .noAvailableIDs,
          "--userns auto: the user \(quoted(user)) has no subordinate ids: add a line "
            + "\(user):START:COUNT to /etc/subuid and to /etc/subgid")
      }
    }
    wish.minimum = settings.autoUserNamespaceMinimum
    wish.maximum = settings.autoUserNamespaceMaximum
    return wish
  }

  private static func subordinate(of user: String, in file: RawPath) -> [AutoUserNamespace.Range] {
    SubordinateIDs.ranges(ofName: user, in: file).map { .init(start: $0.start, count: $0.count) }
  }

  /// The ids of the namespace that this process is in; 0 is the user who made it.
  private static func own(_ file: RawPath) -> [AutoUserNamespace.Range] {
    guard let bytes = try? FileDescriptor.workingDirectory.contents(of: file, limit: 1 << 16) else {
      return []
    }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { line in
      let numbers = line.split(separator: " ").compactMap { UInt32($0) }
      guard numbers.count == 3 else { return nil }
      return numbers[0] > 0
        ? .init(start: numbers[0], count: numbers[2]) : .init(start: 1, count: numbers[2] - 1)
    }
  }
}
