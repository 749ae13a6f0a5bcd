package import StrataFUSE
package import StrataSystem
import Synchronization

extension OverlayFileSystem {
  // MARK: - Files

  package func create(
    _ name: RawPath, in parent: NodeID, mode: UInt32, _ request: OpenRequest,
    _ context: RequestContext, _ reply: consuming CreateReply
  ) {
    reply.answer(
      { () throws(Errno) in
        try changing { tree throws(Errno) in
          try tree.create(name, in: parent, mode: mode, request, context)
        }
      }, undo: undo)
  }

  package func makeTemporaryFile(
    in parent: NodeID, mode: UInt32, _ request: OpenRequest, _ context: RequestContext,
    _ reply: consuming CreateReply
  ) {
    reply.answer(
      { () throws(Errno) in
        try changing { tree throws(Errno) in
          try tree.makeTemporaryFile(in: parent, mode: mode, context)
        }
      }, undo: undo)
  }

  private func undo(_ entry: Entry, _ open: OpenResult) {
    guard let node = entry.node else { return }
    tree.withLock { $0.release(node, handle: open.handle) }
    forget(node, count: 1)
  }

  package func open(
    _ node: NodeID, _ request: OpenRequest, _ context: RequestContext, _ reply: consuming OpenReply
  ) {
    let size: Int64? = request.flags.contains(.truncate) ? 0 : nil
    guard request.writes, copiesLong(node, upTo: size) else {
      answerOpen(node, request, context, reply)
      return
    }
    let deferred = DeferredReply(reply)
    copying(node, upTo: size, context) { [self] error in
      guard let reply = deferred.take() else { return }
      if let error { reply.fail(error) } else { answerOpen(node, request, context, reply) }
    }
  }

  private func answerOpen(
    _ node: NodeID, _ request: OpenRequest, _ context: RequestContext,
    _ reply: consuming OpenReply
  ) {
    reply.answer(
      { () throws(Errno) in
        try changing { tree throws(Errno) in try tree.open(node, request, context) }
      }, undo: { open in tree.withLock { $0.release(node, handle: open.handle) } })
  }

  package func read(
    _ request: ReadRequest, _ context: RequestContext, _ reply: consuming DataReply
  ) {
    do throws(Errno) {
      let file = try asking { tree throws(Errno) in try tree.readable(request.node) }
      reply.send(from: file.view, at: request.offset) { failed($0, of: request.node) }
    } catch {
      reply.fail(error)
    }
  }

  package func write(
    _ request: WriteRequest, _ data: RawSpan, _ context: RequestContext,
    _ reply: consuming CountReply
  ) {
    do throws(Errno) {
      let file = try changing { tree throws(Errno) in
        try tree.writable(request.node, dropPrivileges: request.dropPrivileges, context)
      }
      do throws(Errno) {
        try file.view.writeAll(data, at: request.offset)
      } catch { throw failed(error, of: request.node) }
      reply.send(data.byteCount)
    } catch {
      reply.fail(error)
    }
  }

  package func release(
    _ node: NodeID, handle: UInt64, _ context: RequestContext, _ reply: consuming EmptyReply
  ) {
    tree.withLock { $0.release(node, handle: handle) }
    reply.succeed()
  }

  package func allocate(
    _ node: NodeID, handle: UInt64, mode: Int32, offset: Int64, length: Int64,
    _ context: RequestContext, _ reply: consuming EmptyReply
  ) {
    reply.answer { () throws(Errno) in
      try changing { tree throws(Errno) in
        try tree.allocate(node, mode: mode, offset: offset, length: length)
      }
    }
  }

  package func seek(
    _ node: NodeID, handle: UInt64, offset: Int64, whence: Int32, _ context: RequestContext,
    _ reply: consuming OffsetReply
  ) {
    reply.answer { () throws(Errno) in
      try asking { tree throws(Errno) in
        try tree.seek(node, offset: offset, whence: whence)
      }
    }
  }

  package func control(
    _ request: ControlRequest, _ input: RawSpan, _ context: RequestContext,
    _ reply: consuming ControlReply
  ) {
    let bytes = (0..<input.byteCount).map { input.byte(at: $0) }
    reply.answer { () throws(Errno) in
      try changing { tree throws(Errno) in
        try tree.control(request.node, request.command, bytes)
      }
    }
  }

  // MARK: - Directories

  package func openDirectory(
    _ node: NodeID, _ request: OpenRequest, _ context: RequestContext, _ reply: consuming OpenReply
  ) {
    // ENOSYS: the kernel keeps listings itself and sends no more of these. Where nothing may be kept
    // it has to ask.
    if options.lifetime != .none {
      reply.fail(.noFunction)
    } else {
      reply.send(OpenResult(modes: []))
    }
  }

  package func readDirectory(
    _ node: NodeID, handle: UInt64, after offset: UInt64, _ context: RequestContext,
    _ reply: consuming DirectoryReply
  ) {
    var reply = reply
    do throws(Errno) {
      try asking { tree throws(Errno) in
        try tree.readDirectory(node, after: offset, into: &reply)
      }
      reply.send()
    } catch {
      reply.fail(error)
    }
  }

  package func readDirectoryPlus(
    _ node: NodeID, handle: UInt64, after offset: UInt64, _ context: RequestContext,
    _ reply: consuming DirectoryPlusReply
  ) {
    var reply = reply
    var counted: [NodeID] = []
    do throws(Errno) {
      try asking { tree throws(Errno) in
        try tree.readDirectoryPlus(node, after: offset, into: &reply, counted: &counted)
      }
      if !reply.send() {
        for node in counted { forget(node, count: 1) }
      }
      if offset == 0 { noteListed(node) }
      boundNodes()
    } catch {
      reply.fail(error)
      for node in counted { forget(node, count: 1) }
    }
  }

  // MARK: - Extended attributes

  package func xattr(
    _ name: RawPath, of node: NodeID, _ context: RequestContext, _ reply: consuming XattrReply
  ) {
    reply.answer { () throws(Errno) in
      try asking { tree throws(Errno) in try tree.xattr(name, of: node) }
    }
  }

  package func xattrNames(
    of node: NodeID, _ context: RequestContext, _ reply: consuming XattrReply
  ) {
    reply.answer(names: { () throws(Errno) in
      try asking { tree throws(Errno) in try tree.xattrNames(of: node, context) }
    })
  }

  package func setXattr(
    _ name: RawPath, of node: NodeID, _ value: [UInt8], _ setting: XattrSetting,
    dropSetGroupID: Bool, _ context: RequestContext, _ reply: consuming EmptyReply
  ) {
    let answer = { @Sendable [self] (reply: consuming EmptyReply) in
      reply.answer { () throws(Errno) in
        try changing { tree throws(Errno) in
          try tree.setXattr(name, of: node, value, setting, dropSetGroupID: dropSetGroupID)
        }
      }
    }
    guard copiesLong(node) else {
      answer(reply)
      return
    }
    let deferred = DeferredReply(reply)
    copying(node, context) { error in
      guard let reply = deferred.take() else { return }
      if let error { reply.fail(error) } else { answer(reply) }
    }
  }

  package func removeXattr(
    _ name: RawPath, of node: NodeID, _ context: RequestContext, _ reply: consuming EmptyReply
  ) {
    reply.answer { () throws(Errno) in
      try changing { tree throws(Errno) in try tree.removeXattr(name, of: node) }
    }
  }
}
