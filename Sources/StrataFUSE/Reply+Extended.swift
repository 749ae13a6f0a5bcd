package import StrataSystem

/// A file's attributes as statx(2) knows them, and how long they hold.
package struct ExtendedAttributesReply: ~Copyable, Sendable {
  var pending: PendingReply

  /// `fuse_statx_out`: 32 bytes in front of `fuse_statx`.
  package consuming func send(_ attributes: Attributes, lifetime: CacheLifetime = .forever) {
    _ = pending.send(size: 288) {
      $0.put(lifetime.seconds)
      $0.put(lifetime.nanoseconds)
      $0.putZeros(20)
      $0.putExtended(attributes)
    }
  }
  package consuming func fail(_ error: Errno) { pending.fail(error) }

  package consuming func answer(
    lifetime: CacheLifetime = .forever, _ body: () throws(Errno) -> Attributes
  ) {
    do throws(Errno) {
      send(try body(), lifetime: lifetime)
    } catch { fail(error) }
  }
}

extension WireWriter {
  /// STATX_BASIC_STATS and STATX_BTIME.
  private static let basic: UInt32 = 0x7ff
  private static let birth: UInt32 = 0x800

  /// `fuse_statx`, 256 bytes; attribute bits (compressed, immutable...) are not the kernel's to ask here.
  fileprivate mutating func putExtended(_ a: Attributes) {
    put(a.birthTime == nil ? Self.basic : Self.basic | Self.birth)
    put(a.blockSize)
    put(UInt64(0))
    put(a.linkCount)
    put(a.uid)
    put(a.gid)
    put(UInt16(truncatingIfNeeded: a.mode))
    put(UInt16(0))
    put(a.inode)
    put(a.size)
    put(a.blocks)
    put(UInt64(0))
    let unknown = FileTime(seconds: 0, nanoseconds: 0)
    for time in [a.accessTime, a.birthTime ?? unknown, a.changeTime, a.modificationTime] {
      put(time.seconds)
      put(time.nanoseconds)
      put(UInt32(0))
    }
    put(a.representedDevice.major)
    put(a.representedDevice.minor)
    // The device is FUSE's own, and spare words.
    putZeros(8 + 14 * 8)
  }
}
