package import StrataFUSE
import StrataSystem

/// What a request does not say of its caller and /proc does; nothing where the process cannot be seen.
///
/// Asked for rarely: a system call or two, and the process may be another by then.
package struct CallerProcess: Sendable {
  /// The group of its file-system calls and the supplementary ones.
  package private(set) var groups: Set<UInt32> = []
  private var capabilities: UInt64 = 0
  private let pid: UInt32

  package init(_ context: RequestContext) {
    pid = context.pid
    guard pid != 0,
      let status = try? FileDescriptor.workingDirectory.contents(
        of: RawPath("/proc/\(pid)/status"), limit: 1 << 20)
    else { return }
    for line in status.split(separator: UInt8(ascii: "\n")) {
      if let words = Self.value(of: "Groups:", line) {
        groups.formUnion(words.compactMap { UInt32(String(decoding: $0, as: UTF8.self)) })
      } else if let words = Self.value(of: "Gid:", line), words.count == 4 {
        if let group = UInt32(String(decoding: words[3], as: UTF8.self)) { groups.insert(group) }
      } else if let words = Self.value(of: "CapEff:", line), let word = words.first {
        capabilities = UInt64(String(decoding: word, as: UTF8.self), radix: 16) ?? 0
      }
    }
  }

  private static func value(
    of name: String, _ line: ArraySlice<UInt8>
  ) -> [ArraySlice<UInt8>]? {
    let name = Array(name.utf8)
    guard line.starts(with: name) else { return nil }
    return line.dropFirst(name.count).split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
  }

  /// Whether it has CAP_SYS_ADMIN in this process's user namespace, not one below.
  package var isAdministrator: Bool {
    guard capabilities & 1 << 21 != 0 else { return false }
    let here = FileDescriptor.workingDirectory
    guard let own = try? here.readLink("/proc/self/ns/user"),
      let its = try? here.readLink(RawPath("/proc/\(pid)/ns/user"))
    else { return false }
    return own == its
  }
}
