package import StrataSystem

/// What a file system answers.
///
/// Every requirement has a default: ENOSYS (which for most requests also tells the kernel never to
/// ask again), success for releases, and nothing for `forget`.
///
/// Requests come as values; a name is its bytes. Each reply is consumed exactly once, now or later
/// and on any thread: one that is dropped unanswered answers EIO by itself, so that no caller hangs.
/// No method may block for long: it runs on the thread that reads the device (`Session`).
///
/// The usual body of a method is
/// `reply.answer { () throws(Errno) in try … }`, which sends the value or the error.
///
/// A conforming type that gets a signature slightly wrong silently keeps the default, so spell
/// methods from this list.
package protocol FileSystem: AnyObject, Sendable {
  // Life

  /// Before the first request: what the kernel offers, and what is to be switched on.
  func negotiate(_ connection: inout Negotiation)
  /// INIT was answered; from now on the kernel takes messages that answer no request.
  func start(_ notifier: Notifier)
  /// After the last request.
  func destroy()
  /// Lines for a person who asks a running mount for its state (SIGUSR1).
  func report() -> String
  /// The caller of the request `unique` was interrupted.
  ///
  /// No reply. The request may be unknown.
  func interrupt(_ unique: UInt64)

  /// Whether `workAhead` has something to do; asked after every request.
  var hasWorkAhead: Bool { get }
  /// A little of what will be asked for soon, while no request waits: some tens of microseconds.
  func workAhead()

  // Names

  /// Answer `Entry.absent` rather than ENOENT where the kernel may remember it.
  func lookup(
    _ name: RawPath, in parent: NodeID, _ context: RequestContext, _ reply: consuming EntryReply)
  /// The kernel drops `count` lookups of a node; at none left it will not use the number again.
  func forget(_ node: NodeID, count: UInt64)
  func readLink(_ node: NodeID, _ context: RequestContext, _ reply: consuming DataReply)
  /// `mode` holds the type bits; unmasked.
  func makeNode(
    _ name: RawPath, in parent: NodeID, mode: UInt32, device: DeviceNumber,
    _ context: RequestContext, _ reply: consuming EntryReply)
  func makeDirectory(
    _ name: RawPath, in parent: NodeID, mode: UInt32, _ context: RequestContext,
    _ reply: consuming EntryReply)
  func makeSymlink(
    _ name: RawPath, in parent: NodeID, target: RawPath, _ context: RequestContext,
    _ reply: consuming EntryReply)
  func link(
    _ node: NodeID, to name: RawPath, in parent: NodeID, _ context: RequestContext,
    _ reply: consuming EntryReply)
  func unlink(
    _ name: RawPath, in parent: NodeID, _ context: RequestContext, _ reply: consuming EmptyReply)
  func removeDirectory(
    _ name: RawPath, in parent: NodeID, _ context: RequestContext, _ reply: consuming EmptyReply)
  func rename(
    _ name: RawPath, in parent: NodeID, to newName: RawPath, in newParent: NodeID,
    _ flags: RenameFlags, _ context: RequestContext, _ reply: consuming EmptyReply)

  // Attributes

  func attributes(
    of node: NodeID, handle: UInt64?, _ context: RequestContext,
    _ reply: consuming AttributesReply)
  /// As above with the time of birth: statx(2) asked for it.
  func attributes(
    of node: NodeID, _ context: RequestContext, _ reply: consuming ExtendedAttributesReply)
  func setAttributes(
    of node: NodeID, _ changes: AttributeChanges, _ context: RequestContext,
    _ reply: consuming AttributesReply)
  func fileSystemStatus(
    _ node: NodeID, _ context: RequestContext, _ reply: consuming FileSystemStatusReply)
  /// Never comes on a mount with `default_permissions`.
  func checkAccess(
    _ node: NodeID, mask: UInt32, _ context: RequestContext, _ reply: consuming EmptyReply)
  func syncFileSystem(_ node: NodeID, _ context: RequestContext, _ reply: consuming EmptyReply)

  // Files

  /// `mode` is unmasked.
  ///
  /// The name may have appeared meanwhile: then O_EXCL decides.
  func create(
    _ name: RawPath, in parent: NodeID, mode: UInt32, _ request: OpenRequest,
    _ context: RequestContext, _ reply: consuming CreateReply)
  /// A file without a name (O_TMPFILE), which `link` may name later.
  func makeTemporaryFile(
    in parent: NodeID, mode: UInt32, _ request: OpenRequest, _ context: RequestContext,
    _ reply: consuming CreateReply)
  func open(
    _ node: NodeID, _ request: OpenRequest, _ context: RequestContext,
    _ reply: consuming OpenReply)
  func read(_ request: ReadRequest, _ context: RequestContext, _ reply: consuming DataReply)
  /// `data` is valid during the call only.
  func write(
    _ request: WriteRequest, _ data: RawSpan, _ context: RequestContext,
    _ reply: consuming CountReply)
  /// One close(2) of a descriptor; there may be several for one open.
  func flush(
    _ node: NodeID, handle: UInt64, _ context: RequestContext, _ reply: consuming EmptyReply)
  /// The open is gone; its errors reach nobody.
  func release(
    _ node: NodeID, handle: UInt64, _ context: RequestContext, _ reply: consuming EmptyReply)
  func sync(
    _ node: NodeID, handle: UInt64, dataOnly: Bool, _ context: RequestContext,
    _ reply: consuming EmptyReply)
  /// `mode` as in fallocate(2).
  func allocate(
    _ node: NodeID, handle: UInt64, mode: Int32, offset: Int64, length: Int64,
    _ context: RequestContext, _ reply: consuming EmptyReply)
  /// SEEK_DATA (3) and SEEK_HOLE (4) only.
  func seek(
    _ node: NodeID, handle: UInt64, offset: Int64, whence: Int32, _ context: RequestContext,
    _ reply: consuming OffsetReply)
  func copyRange(
    _ request: CopyRequest, _ context: RequestContext, _ reply: consuming CountReply)
  func control(
    _ request: ControlRequest, _ input: RawSpan, _ context: RequestContext,
    _ reply: consuming ControlReply)

  // Directories

  func openDirectory(
    _ node: NodeID, _ request: OpenRequest, _ context: RequestContext,
    _ reply: consuming OpenReply)
  /// Entries after the cookie `offset` (0: from the start), `.` and `..` included if they are to
  /// be shown.
  func readDirectory(
    _ node: NodeID, handle: UInt64, after offset: UInt64, _ context: RequestContext,
    _ reply: consuming DirectoryReply)
  /// As `readDirectory`, each entry looked up as well.
  func readDirectoryPlus(
    _ node: NodeID, handle: UInt64, after offset: UInt64, _ context: RequestContext,
    _ reply: consuming DirectoryPlusReply)
  func releaseDirectory(
    _ node: NodeID, handle: UInt64, _ context: RequestContext, _ reply: consuming EmptyReply)
  func syncDirectory(
    _ node: NodeID, handle: UInt64, dataOnly: Bool, _ context: RequestContext,
    _ reply: consuming EmptyReply)

  // Extended attributes

  func xattr(
    _ name: RawPath, of node: NodeID, _ context: RequestContext, _ reply: consuming XattrReply)
  func xattrNames(
    of node: NodeID, _ context: RequestContext, _ reply: consuming XattrReply)
  /// `dropSetGroupID`: an ACL was set by one outside the file's group, so S_ISGID goes.
  func setXattr(
    _ name: RawPath, of node: NodeID, _ value: [UInt8], _ setting: XattrSetting,
    dropSetGroupID: Bool, _ context: RequestContext, _ reply: consuming EmptyReply)
  func removeXattr(
    _ name: RawPath, of node: NodeID, _ context: RequestContext, _ reply: consuming EmptyReply)
}
