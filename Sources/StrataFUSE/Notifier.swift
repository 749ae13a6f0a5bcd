import StrataSystem

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

  private func invalidate(_ node: NodeID, offset: Int64) {
    _ = channel.sendNotification(code: 2, size: 24) {
      $0.put(node.rawValue)
      $0.put(offset)
      $0.put(Int64(0))
    }
  }
}
