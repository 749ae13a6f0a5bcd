package import StrataFUSE
import StrataModel
package import StrataSystem

extension StoreFileSystem {
  package func readLink(
    _ node: NodeID, _ context: RequestContext, _ reply: consuming DataReply
  ) {
    onTreeNode(node, reply) { answers, entry, reply in
      reply.answer { () throws(Errno) in
        guard let target = answers.index.linkTarget(entry) else { throw .invalidArgument }
        return target
      }
    }
  }

  package func open(
    _ node: NodeID, _ request: OpenRequest, _ context: RequestContext, _ reply: consuming OpenReply
  ) {
    if request.writes { return reply.fail(.readOnlyFileSystem) }
    do throws(Errno) {
      switch try self.node(node) {
      case .root, .image, .layer(_, .directory): throw .isADirectory
      case .layer(_, .info): reply.send(OpenResult(modes: .directIO))
      case .layer(let slot, .blob):
        onClaim(slot, reply) { store, _, claim throws(Errno) in
          store.blobs.open(claim.descriptor.digest)
          // Pages of a download that failed in the end must not stay.
          return OpenResult(modes: [])
        }
      case .tree(let slot, let entry):
        onTree(slot, reply) { answers, reply in
          answers.tree.contents.opened(entry)
          // While a run is recorded every file is read anew, so that its reads are seen.
          let modes: OpenModes = answers.tree.context.recorder.isRecording ? [] : .keepCache
          if !reply.send(OpenResult(modes: modes)) { answers.tree.contents.closed(entry) }
        }
      }
    } catch { reply.fail(error) }
  }

  package func read(
    _ request: ReadRequest, _ context: RequestContext, _ reply: consuming DataReply
  ) {
    do throws(Errno) {
      switch try node(request.node) {
      case .root, .image, .layer(_, .directory): throw .isADirectory
      case .layer(let slot, .info):
        onClaim(slot, reply) { store, image, claim throws(Errno) in
          Array(await store.info(of: claim, image: image).dropFirst(Int(clamping: request.offset)))
        }
      case .layer(let slot, .blob): readBlob(slot, request, reply)
      case .tree(let slot, let entry):
        onTree(slot, reply) { answers, reply in
          answers.tree.read(
            entry, answers.index, at: request.offset, count: request.count, reply)
        }
      }
    } catch { reply.fail(error) }
  }

  private func readBlob(
    _ slot: UInt32, _ request: ReadRequest, _ reply: consuming DataReply
  ) {
    let deferred = DeferredReply(reply)
    let store = store
    Task {
      do throws(Errno) {
        let claim = try await store.claim(slot: slot)
        store.blobs.read(claim.blob, request.count, at: request.offset) { result in
          guard let reply = deferred.take() else { return }
          switch result {
          case .success(let bytes): reply.send(bytes.rawSpan)
          case .failure(let error): reply.fail(error)
          }
        }
      } catch {
        if let reply = deferred.take() { reply.fail(error) }
      }
    }
  }

  package func flush(
    _ node: NodeID, handle: UInt64, _ context: RequestContext, _ reply: consuming EmptyReply
  ) { reply.fail(.noFunction) }

  package func release(
    _ node: NodeID, handle: UInt64, _ context: RequestContext, _ reply: consuming EmptyReply
  ) {
    switch StoreNode(node, store.slots) {
    case .tree(let slot, let entry): store.tree(slot: slot)?.contents.closed(entry)
    case .layer(let slot, .blob):
      let store = store
      Task {
        if let claim = try? await store.claim(slot: slot) {
          store.blobs.close(claim.descriptor.digest)
        }
      }
    default: break
    }
    reply.succeed()
  }

  // MARK: - Directories

  package func openDirectory(
    _ node: NodeID, _ request: OpenRequest, _ context: RequestContext, _ reply: consuming OpenReply
  ) {
    switch StoreNode(node, store.slots) {
    case .tree: reply.send(OpenResult(modes: [.keepCache, .cacheDirectory]))
    // What was looked up meanwhile is listed too.
    case .root, .image, .layer: reply.send(OpenResult(modes: []))
    case nil: reply.fail(.staleHandle)
    }
  }

  package func readDirectory(
    _ node: NodeID, handle: UInt64, after offset: UInt64, _ context: RequestContext,
    _ reply: consuming DirectoryReply
  ) {
    if case .tree(let slot, let entry) = StoreNode(node, store.slots) {
      return onTree(slot, reply) { answers, reply in answers.list(entry, after: offset, reply) }
    }
    var reply = reply
    list(node, after: offset, into: &reply)
    reply.send()
  }

  package func readDirectoryPlus(
    _ node: NodeID, handle: UInt64, after offset: UInt64, _ context: RequestContext,
    _ reply: consuming DirectoryPlusReply
  ) {
    if case .tree(let slot, let entry) = StoreNode(node, store.slots) {
      return onTree(slot, reply) { answers, reply in answers.listPlus(entry, after: offset, reply) }
    }
    var reply = reply
    list(node, after: offset, into: &reply)
    _ = reply.send()
  }

  /// What was asked for of a directory of the store: no entry is looked up by its listing.
  private func list(
    _ node: NodeID, after offset: UInt64, into reply: inout some ListingReply & ~Copyable
  ) {
    let names = store.names(in: node)
    for (position, item) in names.enumerated().dropFirst(Int(clamping: offset)) {
      guard
        reply.append(
          item.name, inode: item.inode, type: item.type, next: UInt64(position) + 1)
      else { break }
    }
  }

  package func releaseDirectory(
    _ node: NodeID, handle: UInt64, _ context: RequestContext, _ reply: consuming EmptyReply
  ) { reply.succeed() }

  // MARK: - Extended attributes

  package func xattr(
    _ name: RawPath, of node: NodeID, _ context: RequestContext, _ reply: consuming XattrReply
  ) {
    onTreeNode(node, reply) { answers, entry, reply in
      reply.answer { () throws(Errno) in try answers.xattr(name, of: entry) }
    }
  }

  package func xattrNames(
    of node: NodeID, _ context: RequestContext, _ reply: consuming XattrReply
  ) {
    onTreeNode(node, reply) { answers, entry, reply in
      reply.send(names: answers.xattrNames(of: entry))
    }
  }
}
