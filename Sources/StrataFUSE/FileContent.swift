import StrataSystem

/// The bytes of a small file on their way into the kernel's page cache, read and not yet sent.
///
/// The memory is one of the channel's buffers, which goes back at the end.
package final class FileContent: Sendable {
  private let channel: ReplyChannel
  private let buffer: ReplyBuffer
  private let count: Int
  /// Header, then `fuse_notify_store_out`.
  private static let head = WireWriter.headerSize + 24

  init?(_ channel: ReplyChannel, _ file: FileDescriptor, count: Int) {
    self.channel = channel
    self.count = count
    buffer = channel.takeBuffer()
    guard unsafe Self.head + count <= buffer.memory.count else { return nil }
    let target = unsafe UnsafeMutableRawBufferPointer(
      rebasing: buffer.memory[Self.head..<(Self.head + count)])
    // Only this initialiser writes into the memory, before anyone else sees the object.
    var span = unsafe target.mutableBytes
    guard let got = try? file.read(into: &span, at: 0), got == count else { return nil }
  }

  deinit { channel.giveBack(buffer) }

  func send(to node: NodeID) -> Bool {
    var writer = unsafe WireWriter(buffer.memory)
    writer.put(node.rawValue)
    writer.put(UInt64(0))
    writer.put(UInt32(count))
    writer.put(UInt32(0))
    return unsafe channel.send(
      UnsafeMutableRawBufferPointer(rebasing: buffer.memory[..<(Self.head + count)]),
      error: -4, to: 0)
  }
}
