import CStrata
import Glibc

/// A non-zero error number of the kernel.
///
/// A struct and not an enum, so that numbers unknown here survive. `description` is the text that Go
/// prints, which is what scripts that read the peers' messages look for.
public struct Errno: Error, RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  /// The positive number, as in errno(3).
  public let rawValue: Int32

  /// Wraps a positive error number.
  public init(rawValue: Int32) {
    self.rawValue = rawValue
  }

  /// The text of strerror(3) with its first letter in lower case, as Go spells it.
  public var description: String {
    guard let text = unsafe strerror(rawValue) else { return "errno \(rawValue)" }
    let string = unsafe String(cString: text)
    // Acronyms keep their capitals; everything else starts in lower case.
    if string.hasPrefix("RFS ") || string.hasPrefix(".lib") { return string }
    return string.prefix(1).lowercased() + string.dropFirst()
  }
}

extension Errno {
  package static let operationNotPermitted = Errno(rawValue: EPERM)
  package static let noSuchFileOrDirectory = Errno(rawValue: ENOENT)
  package static let interrupted = Errno(rawValue: EINTR)
  package static let inputOutputError = Errno(rawValue: EIO)
  package static let noSuchDeviceOrAddress = Errno(rawValue: ENXIO)
  package static let badFileDescriptor = Errno(rawValue: EBADF)
  package static let wouldBlock = Errno(rawValue: EAGAIN)
  package static let outOfMemory = Errno(rawValue: ENOMEM)
  package static let permissionDenied = Errno(rawValue: EACCES)
  package static let busy = Errno(rawValue: EBUSY)
  package static let fileExists = Errno(rawValue: EEXIST)
  package static let crossDeviceLink = Errno(rawValue: EXDEV)
  package static let noSuchDevice = Errno(rawValue: ENODEV)
  package static let notADirectory = Errno(rawValue: ENOTDIR)
  package static let isADirectory = Errno(rawValue: EISDIR)
  package static let invalidArgument = Errno(rawValue: EINVAL)
  package static let tooManyOpenFilesInSystem = Errno(rawValue: ENFILE)
  package static let tooManyOpenFiles = Errno(rawValue: EMFILE)
  package static let notATerminal = Errno(rawValue: ENOTTY)
  package static let textFileBusy = Errno(rawValue: ETXTBSY)
  package static let fileTooLarge = Errno(rawValue: EFBIG)
  package static let noSpace = Errno(rawValue: ENOSPC)
  package static let readOnlyFileSystem = Errno(rawValue: EROFS)
  package static let tooManyLinks = Errno(rawValue: EMLINK)
  package static let brokenPipe = Errno(rawValue: EPIPE)
  package static let outOfRange = Errno(rawValue: ERANGE)
  package static let nameTooLong = Errno(rawValue: ENAMETOOLONG)
  package static let noFunction = Errno(rawValue: ENOSYS)
  package static let directoryNotEmpty = Errno(rawValue: ENOTEMPTY)
  package static let tooManySymbolicLinks = Errno(rawValue: ELOOP)
  package static let noData = Errno(rawValue: ENODATA)
  package static let valueTooLarge = Errno(rawValue: EOVERFLOW)
  package static let notSupported = Errno(rawValue: EOPNOTSUPP)
  package static let staleHandle = Errno(rawValue: ESTALE)
  package static let notConnected = Errno(rawValue: ENOTCONN)
  package static let connectionRefused = Errno(rawValue: ECONNREFUSED)
  package static let connectionAborted = Errno(rawValue: ECONNABORTED)
  package static let quotaExceeded = Errno(rawValue: EDQUOT)
  package static let protocolError = Errno(rawValue: EPROTO)
  package static let timedOut = Errno(rawValue: ETIMEDOUT)
  package static let noChild = Errno(rawValue: ECHILD)
  package static let noSuchProcess = Errno(rawValue: ESRCH)
}

/// Turns the -errno convention of CStrata into a value or a thrown `Errno`; the only place that
/// retries EINTR.
@inline(__always)
func checked<Number: SignedInteger>(_ call: () -> Number) throws(Errno) -> Number {
  while true {
    let result = call()
    if result >= 0 { return result }
    let number = Int32(truncatingIfNeeded: -Int64(result))
    if number != EINTR { throw Errno(rawValue: number) }
  }
}

/// As `checked`, for calls whose value says nothing.
@inline(__always)
func check<Number: SignedInteger>(_ call: () -> Number) throws(Errno) {
  _ = try checked(call)
}
