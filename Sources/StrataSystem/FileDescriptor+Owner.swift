import CStrata
import Glibc

/// A descriptor that closes when it goes out of scope.
///
/// Every descriptor is close-on-exec.
public struct FileDescriptorOwner: ~Copyable, Sendable {
  /// The kernel's number.
  package let rawValue: Int32

  /// Takes ownership of an open descriptor.
  package init(owning rawValue: Int32) {
    self.rawValue = rawValue
  }

  deinit {
    if rawValue >= 0 { _ = cstrata_close(rawValue) }
  }

  /// A view to call with; it must not outlive this owner.
  package var view: FileDescriptor { FileDescriptor(rawValue: rawValue) }

  /// Closes and reports what close(2) says, which is where some file systems tell of a failed write.
  package consuming func close() throws(Errno) {
    let number = rawValue
    discard self
    let result = cstrata_close(number)
    // Linux has released the descriptor even when close is interrupted.
    if result < 0, result != -EINTR { throw Errno(rawValue: -result) }
  }

  /// Gives the number away; the caller owns and closes it.
  package consuming func release() -> Int32 {
    let number = rawValue
    discard self
    return number
  }
}

/// A descriptor shared by several users; closes when the last one lets go.
public final class SharedDescriptor: Sendable {
  private let owner: FileDescriptorOwner

  /// Takes the descriptor over.
  package init(_ owner: consuming FileDescriptorOwner) {
    self.owner = owner
  }

  /// A view to call with; keep this object alive meanwhile.
  package var view: FileDescriptor { owner.view }
}

/// A borrowed descriptor number: whoever made it keeps the owner alive.
///
/// Calls are extensions of it, one file for each family; all throw the kernel's `Errno`.
public struct FileDescriptor: Hashable, Sendable {
  package let rawValue: Int32

  package init(rawValue: Int32) {
    self.rawValue = rawValue
  }

  /// AT_FDCWD: names are relative to the working directory.
  package static let workingDirectory = FileDescriptor(rawValue: AT_FDCWD)
  package static let standardInput = FileDescriptor(rawValue: 0)
  package static let standardOutput = FileDescriptor(rawValue: 1)
  package static let standardError = FileDescriptor(rawValue: 2)

  /// A second descriptor of the same open file, close-on-exec.
  ///
  /// C: `fcntl(F_DUPFD_CLOEXEC)`.
  package func duplicate() throws(Errno) -> FileDescriptorOwner {
    let number = try checked { cstrata_dup_cloexec(rawValue, 3) }
    return FileDescriptorOwner(owning: number)
  }

  /// A name in procfs for this descriptor, for calls that take no descriptor of an O_PATH file.
  package var procPath: RawPath { RawPath("/proc/self/fd/\(rawValue)") }
}
