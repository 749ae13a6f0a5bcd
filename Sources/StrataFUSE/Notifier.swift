package import StrataSystem

/// Messages to the kernel that answer no request.
///
/// Send them after the reply to the request that caused them: some wait for a lock that its caller
/// holds.
package struct Notifier: Sendable {
  let channel: ReplyChannel

  /// The node's attributes are other ones than the kernel was told; its pages are right.
  ///
  /// Takes no lock that a request holds, so any thread may send it. Wire: FUSE_NOTIFY_INVAL_INODE,
  /// offset -1.
  package func attributesChanged(_ node: NodeID) {
    invalidate(node, offset: -1)
  }

  /// A directory's kept listing is wrong.
  ///
  /// The pages of a listing are locked for moments only, so this waits for no request; of a file
  /// they would be. Wire: FUSE_NOTIFY_INVAL_INODE, offset 0.
  package func listingChanged(_ directory: NodeID) {
    invalidate(directory, offset: 0)
  }

  /// Asks the kernel to let go of nodes that nobody uses; it sends FORGET for those that it drops.
  ///
  /// A directory goes only when no name below it is known any more. False if the kernel knows no such
  /// message (before protocol 7.45). Wire: FUSE_NOTIFY_PRUNE.
  package func prune(_ nodes: [NodeID]) -> Bool {
    channel.sendNotification(code: 9, size: 16 + 8 * nodes.count) {
      $0.put(UInt32(nodes.count))
      $0.putZeros(12)
      for node in nodes { $0.put(node.rawValue) }
    }
  }

  /// Puts the first `count` bytes of a file into the kernel's cache of a node, so that it asks for none
  /// of them; false if that did not work, which does no harm.
  ///
  /// The kernel's page locks are taken: only for a node that nobody has open, since the lock of a page
  /// that is being read or written is held until the reader of requests has answered. And only for one
  /// whose bytes nobody can change meanwhile: pages that are right already are overwritten. Wire:
  /// FUSE_NOTIFY_STORE.
  @discardableResult
  package func store(_ node: NodeID, _ content: FileContent) -> Bool {
    content.send(to: node)
  }

  /// Reads the first `count` bytes of a file for `store`; nil if they are not to be had or do not fit
  /// into one message.
  ///
  /// Takes no lock of the kernel's, so any thread may do it at any time.
  package func content(of file: FileDescriptor, count: Int) -> FileContent? {
    FileContent(channel, file, count: count)
  }

  /// Lets the kernel read and write a file by itself for opens that are answered with the number.
  ///
  /// The kernel uses the opener's flags, not the descriptor's: only the caller of this sees to it that
  /// a lower file is not written. EPERM in a user namespace or where INIT did not grant passthrough,
  /// ELOOP for a file on a stacked file system. C: `ioctl(FUSE_DEV_IOC_BACKING_OPEN)`.
  package func openBacking(_ file: FileDescriptor) throws(Errno) -> Int32 {
    var number = file.rawValue
    var map = unsafe withUnsafeBytes(of: &number) { unsafe Array($0) }
    map += [UInt8](repeating: 0, count: 12)
    return try channel.control(0x4010_e501, &map)
  }

  /// The number is in no answer from now on; opens that have it go on.
  ///
  /// C: `ioctl(FUSE_DEV_IOC_BACKING_CLOSE)`.
  package func closeBacking(_ id: Int32) {
    var number = id
    var argument = unsafe withUnsafeBytes(of: &number) { unsafe Array($0) }
    _ = try? channel.control(0x4004_e502, &argument)
  }

  private func invalidate(_ node: NodeID, offset: Int64) {
    _ = channel.sendNotification(code: 2, size: 24) {
      $0.put(node.rawValue)
      $0.put(offset)
      $0.put(Int64(0))
    }
  }
}
