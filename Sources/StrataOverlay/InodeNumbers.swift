package import StrataSystem

/// One 64-bit number for each inode of all layers, though each file system counts for itself.
///
/// The first file system's numbers are shown as they are; others carry their index in the upper 8
/// bits. Numbers that use those bits themselves are given new ones from 1 << 63 on, which hold while
/// mounted.
package struct InodeNumbers: Sendable {
  private struct Key: Hashable {
    var device: DeviceNumber
    var inode: UInt64
  }

  private var devices: [DeviceNumber: UInt64] = [:]
  private var replaced: [Key: UInt64] = [:]
  /// The device that was asked for last, and its index: most layers lie on one.
  private var last: (device: DeviceNumber, index: UInt64)?
  private var nextReplacement: UInt64 = 1 << 63

  package init() {}

  /// The number that is shown for an inode.
  package mutating func number(_ inode: UInt64, on device: DeviceNumber) -> UInt64 {
    let index = index(of: device)
    if inode >> 56 == 0, index < 128 { return inode | index << 56 }
    let key = Key(device: device, inode: inode)
    if let known = replaced[key] { return known }
    replaced[key] = nextReplacement
    nextReplacement += 1
    return nextReplacement - 1
  }

  private mutating func index(of device: DeviceNumber) -> UInt64 {
    if let last, last.device == device { return last.index }
    let index = devices[device] ?? UInt64(devices.count)
    devices[device] = index
    last = (device, index)
    return index
  }

  package mutating func number(of status: FileStatus) -> UInt64 {
    number(status.inode, on: status.device)
  }
}
