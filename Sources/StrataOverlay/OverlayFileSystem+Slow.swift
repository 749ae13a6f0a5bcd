package import StrataFUSE
import StrataSystem
import Synchronization

/// What would hold up the reader of requests, and so everybody: it goes to a worker.
extension OverlayFileSystem {
  /// Whether a change of the node begins with a long copy.
  func copiesLong(_ node: NodeID, upTo size: Int64? = nil) -> Bool {
    tree.withLock { $0.copiesLong(node, upTo: size) }
  }

  /// Copies the node's bytes on a worker and calls `body` there with what went wrong.
  func copying(
    _ node: NodeID, upTo size: Int64? = nil, _ context: RequestContext,
    _ body: @escaping @Sendable (Errno?) -> Void
  ) {
    pool.run(context) { [self] job in
      do throws(Errno) {
        try copyAside(node, upTo: size, job)
        body(nil)
      } catch {
        body(error)
      }
      tree.withLock { $0.dropLongCopy(node) }
    }
  }

  /// One request copies, others that need the same file wait for it; EINTR for one whose caller is
  /// being killed.
  private func copyAside(
    _ node: NodeID, upTo size: Int64?, _ job: WorkerJob
  ) throws(Errno) {
    while true {
      let step = try asking { tree throws(Errno) in
        try tree.beginLongCopy(node, upTo: size)
      }
      switch step {
      case .needless: return
      case .busy:
        if job.isCancelled { throw .interrupted }
        pause(milliseconds: 5)
      case .begin(let copy):
        do throws(Errno) {
          try copyContents(copy, job)
        } catch {
          tree.withLock { $0.abandonLongCopy(node, copy) }
          throw failed(error, of: node)
        }
        tree.withLock { $0.finishLongCopy(node, copy) }
        return
      }
    }
  }

  /// Makes durable what it copies piece by piece, since a sync of the whole cannot be given up.
  private func copyContents(_ copy: LongCopy, _ job: WorkerJob) throws(Errno) {
    let target = copy.temporary.descriptor
    let syncs = options.syncs
    var pieces = 0
    try copy.source.view.copyContents(to: target.view, length: copy.length) {
      pieces += 1
      if syncs, pieces % 32 == 0 { try? target.view.synchronizeData() }
      return job.isCancelled
    }
    if syncs { try target.view.synchronizeData() }
  }

  package func interrupt(_ unique: UInt64) { pool.interrupt(unique) }

  // MARK: - FSYNC

  package func sync(
    _ node: NodeID, handle: UInt64, dataOnly: Bool, _ context: RequestContext,
    _ reply: consuming EmptyReply
  ) {
    let found: SharedDescriptor?
    do throws(Errno) {
      found = try asking { tree throws(Errno) in try tree.fileToSync(node) }
    } catch {
      reply.fail(error)
      return
    }
    guard let file = found else {
      reply.succeed()
      return
    }
    let deferred = DeferredReply(reply)
    pool.run(context) { [self] _ in
      guard let reply = deferred.take() else { return }
      reply.answer { () throws(Errno) in
        do throws(Errno) {
          if dataOnly { try file.view.synchronizeData() } else { try file.view.synchronize() }
        } catch { throw failed(error, of: node) }
      }
    }
  }

  package func syncDirectory(
    _ node: NodeID, handle: UInt64, dataOnly: Bool, _ context: RequestContext,
    _ reply: consuming EmptyReply
  ) {
    sync(node, handle: handle, dataOnly: dataOnly, context, reply)
  }

  // MARK: - COPY_FILE_RANGE

  package func copyRange(
    _ request: CopyRequest, _ context: RequestContext, _ reply: consuming CountReply
  ) {
    guard request.count > 1 << 20 else {
      answerCopyRange(request, reply)
      return
    }
    let deferred = DeferredReply(reply)
    pool.run(context) { [self] _ in
      guard let reply = deferred.take() else { return }
      answerCopyRange(request, reply)
    }
  }

  /// Copies without the tree's lock.
  private func answerCopyRange(_ request: CopyRequest, _ reply: consuming CountReply) {
    reply.answer { () throws(Errno) in
      let (source, destination) = try changing { tree throws(Errno) in
        try tree.copyEnds(request)
      }
      let count: Int
      do throws(Errno) {
        count = try source.view.copyRange(
          from: request.sourceOffset, to: destination.view, at: request.destinationOffset,
          count: request.count)
      } catch { throw failed(error, of: request.source) }
      try changing { $0.staleAttributes.append(request.destination) }
      return count
    }
  }
}
