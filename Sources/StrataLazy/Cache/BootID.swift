import StrataDigest
import StrataModel
package import StrataSystem

/// Which boot of the machine this is: what was written in another one may have been lost half-way.
package struct BootID: Hashable, Sendable {
  /// 16 bytes that stand for the boot.
  let bytes: [UInt8]
  /// A number of the boot that fits into the nanoseconds of a file's time.
  let stamp: UInt32

  /// The boot that the kernel tells of.
  package init() throws(Errno) {
    let text = try FileDescriptor.workingDirectory.contents(
      of: "/proc/sys/kernel/random/boot_id", limit: 4096)
    self.init(text: text)
  }

  /// A boot by any name.
  package init(text: [UInt8]) {
    let value = Digester.sha256(of: text.rawSpan)
    bytes = Array(value.bytes.prefix(16))
    stamp = UInt32(value.words.0 % 1_000_000_000)
  }
}
