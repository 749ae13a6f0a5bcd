import StrataSystem
package import Testing

/// What a test needs of the machine.
///
/// Where it is missing the test is skipped with the reason; with `STRATA_REQUIRE_ALL=1` in the
/// environment it fails instead, so that a green run on a machine that should have everything
/// cannot be an empty one.
package struct MissingNeed: Error, CustomStringConvertible {
  /// What is missing and where it would come from.
  package let description: String
}

/// The families of extended attributes that tests ask for.
package enum XattrNamespace: String, Sendable {
  case user, trusted
}

extension Trait where Self == ConditionTrait {
  /// Read and write access to `/dev/fuse`.
  package static var needsFuse: Self {
    need("needs read and write access to /dev/fuse") {
      (try? FileDescriptor.workingDirectory.open("/dev/fuse", .readWrite)) != nil
    }
  }

  /// An effective user id of 0 that may mount.
  package static var needsRoot: Self {
    need("needs root") { effectiveUserID == 0 }
  }

  /// User namespaces for ordinary users.
  package static var needsUserNamespace: Self {
    need("needs user namespaces (sysctl user.max_user_namespaces)") {
      let limit = number(in: "/proc/sys/user/max_user_namespaces") ?? 0
      // Debian's own switch; missing on kernels without that patch.
      let allowed = number(in: "/proc/sys/kernel/unprivileged_userns_clone") ?? 1
      return limit > 0 && allowed > 0
    }
  }

  /// A program in PATH.
  package static func needsTool(_ name: String) -> Self {
    need("needs the program \(name) (scripts/setup installs it)") { findProgram(name) != nil }
  }

  /// An executable of ours in `build/bin`.
  package static func needsBuilt(_ name: String) -> Self {
    need("needs build/bin/\(name) (scripts/build makes it)") { builtProgram(name) != nil }
  }

  /// User extended attributes in the folder for temporary files.
  package static var needsXattr: Self { needsXattr(.user) }

  /// Extended attributes of a family in the folder for temporary files.
  package static func needsXattr(_ family: XattrNamespace) -> Self {
    need("needs \(family).* extended attributes in the folder for temporary files") {
      guard let scratch = try? ScratchDirectory("xattr") else { return false }
      do throws(Errno) {
        let file = try scratch.directory.open("probe", [.readWrite, .create], mode: 0o600)
        try file.view.setXattr(RawPath("\(family).strata-probe"), [1])
        return true
      } catch {
        return false
      }
    }
  }

  private static func need(_ reason: String, _ condition: @escaping @Sendable () -> Bool) -> Self {
    .enabled(Comment(rawValue: reason)) {
      if condition() { return true }
      if environmentValue("STRATA_REQUIRE_ALL") == "1" { throw MissingNeed(description: reason) }
      return false
    }
  }
}

extension Tag {
  /// Mounts through `/dev/fuse`.
  @Tag package static var fuse: Self
  /// Needs root.
  @Tag package static var root: Self
  /// Runs a program that is not ours.
  @Tag package static var interop: Self
  /// Takes more than a few seconds.
  @Tag package static var slow: Self
  /// Feeds damaged or hostile input.
  @Tag package static var fuzz: Self
}

private func number(in path: RawPath) -> Int? {
  guard let bytes = try? FileDescriptor.workingDirectory.contents(of: path, limit: 64) else {
    return nil
  }
  return Int(String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
}
