package import StrataSystem

extension FileSystem {
  package func negotiate(_ connection: inout Negotiation) {}
  package func start(_ notifier: Notifier) {}
  package func destroy() {}
  package func report() -> String { "" }
  package func interrupt(_ unique: UInt64) {}
  package var hasWorkAhead: Bool { false }
  package func workAhead() {}

  package func lookup(
    _ name: RawPath, in parent: NodeID, _ context: RequestContext, _ reply: consuming EntryReply
  ) { reply.fail(.noFunction) }

  package func forget(_ node: NodeID, count: UInt64) {}

  package func readLink(
    _ node: NodeID, _ context: RequestContext, _ reply: consuming DataReply
  ) { reply.fail(.noFunction) }

  package func makeNode(
    _ name: RawPath, in parent: NodeID, mode: UInt32, device: DeviceNumber,
    _ context: RequestContext, _ reply: consuming EntryReply
  ) { reply.fail(.noFunction) }

  package func makeDirectory(
    _ name: RawPath, in parent: NodeID, mode: UInt32, _ context: RequestContext,
    _ reply: consuming EntryReply
  ) { reply.fail(.noFunction) }

  package func makeSymlink(
    _ name: RawPath, in parent: NodeID, target: RawPath, _ context: RequestContext,
    _ reply: consuming EntryReply
  ) { reply.fail(.noFunction) }

  package func link(
    _ node: NodeID, to name: RawPath, in parent: NodeID, _ context: RequestContext,
    _ reply: consuming EntryReply
  ) { reply.fail(.noFunction) }

  package func unlink(
    _ name: RawPath, in parent: NodeID, _ context: RequestContext, _ reply: consuming EmptyReply
  ) { reply.fail(.noFunction) }

  package func removeDirectory(
    _ name: RawPath, in parent: NodeID, _ context: RequestContext, _ reply: consuming EmptyReply
  ) { reply.fail(.noFunction) }

  package func rename(
    _ name: RawPath, in parent: NodeID, to newName: RawPath, in newParent: NodeID,
    _ flags: RenameFlags, _ context: RequestContext, _ reply: consuming EmptyReply
  ) { reply.fail(.noFunction) }

  package func attributes(
    of node: NodeID, handle: UInt64?, _ context: RequestContext, _ reply: consuming AttributesReply
  ) { reply.fail(.noFunction) }

  package func attributes(
    of node: NodeID, _ context: RequestContext, _ reply: consuming ExtendedAttributesReply
  ) { reply.fail(.noFunction) }

  package func setAttributes(
    of node: NodeID, _ changes: AttributeChanges, _ context: RequestContext,
    _ reply: consuming AttributesReply
  ) { reply.fail(.noFunction) }

  package func fileSystemStatus(
    _ node: NodeID, _ context: RequestContext, _ reply: consuming FileSystemStatusReply
  ) { reply.fail(.noFunction) }

  package func checkAccess(
    _ node: NodeID, mask: UInt32, _ context: RequestContext, _ reply: consuming EmptyReply
  ) { reply.fail(.noFunction) }

  package func syncFileSystem(
    _ node: NodeID, _ context: RequestContext, _ reply: consuming EmptyReply
  ) { reply.fail(.noFunction) }
}

extension FileSystem {
  package func create(
    _ name: RawPath, in parent: NodeID, mode: UInt32, _ request: OpenRequest,
    _ context: RequestContext, _ reply: consuming CreateReply
  ) { reply.fail(.noFunction) }

  package func makeTemporaryFile(
    in parent: NodeID, mode: UInt32, _ request: OpenRequest, _ context: RequestContext,
    _ reply: consuming CreateReply
  ) { reply.fail(.noFunction) }

  package func open(
    _ node: NodeID, _ request: OpenRequest, _ context: RequestContext, _ reply: consuming OpenReply
  ) { reply.fail(.noFunction) }

  package func read(
    _ request: ReadRequest, _ context: RequestContext, _ reply: consuming DataReply
  ) { reply.fail(.noFunction) }

  package func write(
    _ request: WriteRequest, _ data: RawSpan, _ context: RequestContext,
    _ reply: consuming CountReply
  ) { reply.fail(.noFunction) }

  package func flush(
    _ node: NodeID, handle: UInt64, _ context: RequestContext, _ reply: consuming EmptyReply
  ) { reply.fail(.noFunction) }

  package func release(
    _ node: NodeID, handle: UInt64, _ context: RequestContext, _ reply: consuming EmptyReply
  ) { reply.succeed() }

  package func sync(
    _ node: NodeID, handle: UInt64, dataOnly: Bool, _ context: RequestContext,
    _ reply: consuming EmptyReply
  ) { reply.fail(.noFunction) }

  package func allocate(
    _ node: NodeID, handle: UInt64, mode: Int32, offset: Int64, length: Int64,
    _ context: RequestContext, _ reply: consuming EmptyReply
  ) { reply.fail(.noFunction) }

  package func seek(
    _ node: NodeID, handle: UInt64, offset: Int64, whence: Int32, _ context: RequestContext,
    _ reply: consuming OffsetReply
  ) { reply.fail(.noFunction) }

  package func copyRange(
    _ request: CopyRequest, _ context: RequestContext, _ reply: consuming CountReply
  ) { reply.fail(.noFunction) }

  package func control(
    _ request: ControlRequest, _ input: RawSpan, _ context: RequestContext,
    _ reply: consuming ControlReply
  ) { reply.fail(.noFunction) }
}

extension FileSystem {
  package func openDirectory(
    _ node: NodeID, _ request: OpenRequest, _ context: RequestContext, _ reply: consuming OpenReply
  ) { reply.fail(.noFunction) }

  package func readDirectory(
    _ node: NodeID, handle: UInt64, after offset: UInt64, _ context: RequestContext,
    _ reply: consuming DirectoryReply
  ) { reply.fail(.noFunction) }

  package func readDirectoryPlus(
    _ node: NodeID, handle: UInt64, after offset: UInt64, _ context: RequestContext,
    _ reply: consuming DirectoryPlusReply
  ) { reply.fail(.noFunction) }

  package func releaseDirectory(
    _ node: NodeID, handle: UInt64, _ context: RequestContext, _ reply: consuming EmptyReply
  ) { reply.succeed() }

  package func syncDirectory(
    _ node: NodeID, handle: UInt64, dataOnly: Bool, _ context: RequestContext,
    _ reply: consuming EmptyReply
  ) { reply.fail(.noFunction) }

  package func xattr(
    _ name: RawPath, of node: NodeID, _ context: RequestContext, _ reply: consuming XattrReply
  ) { reply.fail(.noFunction) }

  package func xattrNames(
    of node: NodeID, _ context: RequestContext, _ reply: consuming XattrReply
  ) { reply.fail(.noFunction) }

  package func setXattr(
    _ name: RawPath, of node: NodeID, _ value: [UInt8], _ setting: XattrSetting,
    dropSetGroupID: Bool, _ context: RequestContext, _ reply: consuming EmptyReply
  ) { reply.fail(.noFunction) }

  package func removeXattr(
    _ name: RawPath, of node: NodeID, _ context: RequestContext, _ reply: consuming EmptyReply
  ) { reply.fail(.noFunction) }
}
