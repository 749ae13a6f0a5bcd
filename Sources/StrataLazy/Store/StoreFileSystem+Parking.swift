import StrataFUSE
import StrataSystem

/// A reply that can be an error: all of them, for code that parks any.
protocol FailableReply: ~Copyable, Sendable {
  consuming func fail(_ error: Errno)
}

/// A reply whose success is one value.
protocol ValueReply: FailableReply, ~Copyable {
  associatedtype Value: Sendable
  consuming func succeed(_ value: Value)
}

extension EntryReply: ValueReply {
  consuming func succeed(_ value: Entry) { send(value) }
}
extension AttributesReply: ValueReply {
  consuming func succeed(_ value: Attributes) { send(value, lifetime: .none) }
}
extension OpenReply: ValueReply {
  consuming func succeed(_ value: OpenResult) { send(value) }
}
extension DataReply: ValueReply {
  consuming func succeed(_ value: [UInt8]) { send(value.rawSpan) }
}
extension XattrReply: FailableReply {}
extension DirectoryReply: FailableReply {}
extension DirectoryPlusReply: FailableReply {}

// MARK: - Replies that wait

extension StoreFileSystem {
  /// Answers from the tree in a slot, now if its layer is open, else when it is.
  func onTree<Reply: FailableReply & ~Copyable>(
    _ slot: UInt32, _ reply: consuming Reply,
    _ body: @escaping @Sendable (TreeAnswers, consuming Reply) -> Void
  ) {
    guard let tree = store.tree(slot: slot) else { return reply.fail(.staleHandle) }
    do throws(Errno) {
      if let index = try tree.index {
        return body(TreeAnswers(tree: tree, index: index), reply)
      }
    } catch { return reply.fail(error) }
    let deferred = DeferredReply(reply)
    let store = store
    Task {
      do throws(Errno) {
        let index = try await store.index(of: tree)
        if let reply = deferred.take() { body(TreeAnswers(tree: tree, index: index), reply) }
      } catch {
        if let reply = deferred.take() { reply.fail(error) }
      }
    }
  }

  /// As above for a node, `notSupported` where it is not in a tree.
  func onTreeNode<Reply: FailableReply & ~Copyable>(
    _ node: NodeID, _ reply: consuming Reply,
    _ body: @escaping @Sendable (TreeAnswers, UInt32, consuming Reply) -> Void
  ) {
    guard case .tree(let slot, let entry) = StoreNode(node, store.slots) else {
      return reply.fail(.notSupported)
    }
    onTree(slot, reply) { answers, reply in body(answers, entry, reply) }
  }

  /// Answers when it is known which layer of its image a slot means; the body gets the image's slot.
  func onClaim<Reply: ValueReply & ~Copyable>(
    _ slot: UInt32, _ reply: consuming Reply,
    _ body: @escaping @Sendable (LazyStore, UInt32, LayerClaim) async throws(Errno) -> Reply.Value
  ) {
    guard case .layer(let image, _) = store.slots[slot] else { return reply.fail(.staleHandle) }
    let deferred = DeferredReply(reply)
    let store = store
    Task {
      do throws(Errno) {
        let value = try await body(store, image, try await store.claim(slot: slot))
        if let reply = deferred.take() { reply.succeed(value) }
      } catch {
        if let reply = deferred.take() { reply.fail(error) }
      }
    }
  }
}
