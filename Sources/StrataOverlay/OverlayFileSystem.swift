package import StrataFUSE
package import StrataSystem
import Synchronization

/// The merged tree as a FUSE file system: each request takes the tree's lock, calls one operation,
/// and answers.
///
/// Nothing else happens here.
package final class OverlayFileSystem: FileSystem {
  let tree: Mutex<MergedTree>
  let options: OverlayOptions
  let pool = WorkerPool()
  private let notifier = Mutex<Notifier?>(nil)
  /// Whether a directory is to be prepared for its listing.
  private let preparesListing = Atomic<Bool>(false)
  /// Asks the kernel to let go of nodes.
  private let pruner = Mutex<NodePruner?>(nil)

  /// Opens the layers and prepares the work directory; uses as many descriptors as the process may.
  package init(_ options: OverlayOptions, _ log: OverlayLog) throws(OverlayError) {
    self.options = options
    let tree = try MergedTree(options, log, descriptorLimit: raiseDescriptorLimit())
    self.tree = Mutex(tree)
  }

  /// Counters for SIGUSR1; the first two lines are fuse-overlayfs's.
  @Sendable package func report() -> String {
    tree.withLock { tree in
      let nodes = tree.table.count
      return """
        # INODES: \(nodes)
        # NODES: \(nodes)
        # DESCRIPTORS: \(tree.budget.openDirectories + tree.budget.openFiles) of \(tree.budget.limit), \
        \(tree.counters.descriptorsFound) found open, \(tree.counters.descriptorsOpened) opened
        # INDEXES: \(tree.indexed.count), \(tree.indexBytes) bytes, \(tree.counters.indexesBuilt) built
        # NAMES: \(tree.counters.namesKnown) found known, \(tree.counters.namesIndexed) in an index, \
        \(tree.counters.namesAsked) asked of a layer
        # LISTINGS AHEAD: \(tree.listingAhead.made), \(tree.listingAhead.used) used since
        # COPY-UPS: \(tree.counters.copyUps), \(tree.counters.copiedBytes) bytes
        # MEMORY: \(residentMemory() >> 10) KiB
        # PASSTHROUGH: \(tree.passthroughOpens) opens, \(tree.backing == nil ? "off" : "on")
        # FILES GIVEN AT OPEN: \(tree.storedFiles)
        # FILES GIVEN AHEAD: \(tree.filesAhead), \(tree.filesAheadOpened) opened since

        """
    }
  }

  package func negotiate(_ connection: inout Negotiation) {
    if options.acl { connection.wanted.insert(.posixACL) }
    // The kernel then tells who asks only where something is made: all else it decides by itself.
    if options.mount.defaultPermissions { connection.wanted.insert(.allowIDMap) }
    guard wantsPassthrough else { return }
    connection.wanted.insert(.passthrough)
    // More would let this mount lie on stacked file systems, and no overlay on this mount.
    connection.maxStackDepth = 1
  }

  /// A user namespace is refused it, and a mount that asked in vain could not be stacked as deeply.
  private var wantsPassthrough: Bool {
    options.passthrough && !options.writeback && isInitialUserNamespace
  }

  package func start(_ notifier: Notifier) {
    self.notifier.withLock { $0 = notifier }
    let passes = wantsPassthrough
    let queue =
      options.readahead && options.lifetime != .none
      ? ReadaheadQueue { [weak self] in self?.readAhead($0, notifier) } : nil
    let pruner = NodePruner { [weak self] in self?.pruneNodes(notifier) }
    self.pruner.withLock { $0 = pruner }
    tree.withLock {
      $0.pages = notifier
      $0.readahead = queue
      if passes { $0.backing = notifier }
    }
  }

  // MARK: - Ahead of requests

  package var hasWorkAhead: Bool { preparesListing.load(ordering: .relaxed) }

  package func workAhead() {
    preparesListing.store(tree.withLock { $0.prepareListing() }, ordering: .relaxed)
  }

  /// Called where nodes become known, after the reply: bounds their number.
  func boundNodes() {
    guard tree.withLock({ $0.pruning.isDue($0.table) }) else { return }
    pruner.withLock { $0 }?.ask()
  }

  /// A directory's listing was begun: those that a walk will list next are prepared while nobody asks.
  func noteListed(_ directory: NodeID) {
    guard options.readahead else { return }
    preparesListing.store(tree.withLock { $0.noteListed(directory) }, ordering: .relaxed)
  }

  // MARK: - Names

  package func lookup(
    _ name: RawPath, in parent: NodeID, _ context: RequestContext, _ reply: consuming EntryReply
  ) {
    let lifetime = options.lifetime
    reply.answer(
      { () throws(Errno) in
        try asking { tree throws(Errno) in
          try tree.lookup(name, in: parent) ?? .absent(lifetime)
        }
      }, undo: undo)
    boundNodes()
  }

  package func forget(_ node: NodeID, count: UInt64) {
    tree.withLock { $0.forget(node, count: count) }
  }

  package func readLink(
    _ node: NodeID, _ context: RequestContext, _ reply: consuming DataReply
  ) {
    reply.answer { () throws(Errno) in
      try asking { tree throws(Errno) in try tree.readLink(node) }
    }
  }

  package func makeNode(
    _ name: RawPath, in parent: NodeID, mode: UInt32, device: DeviceNumber,
    _ context: RequestContext, _ reply: consuming EntryReply
  ) {
    reply.answer(
      { () throws(Errno) in
        try changing { tree throws(Errno) in
          try tree.makeNode(name, in: parent, mode: mode, device: device, context)
        }
      }, undo: undo)
  }

  package func makeDirectory(
    _ name: RawPath, in parent: NodeID, mode: UInt32, _ context: RequestContext,
    _ reply: consuming EntryReply
  ) {
    reply.answer(
      { () throws(Errno) in
        try changing { tree throws(Errno) in
          try tree.makeDirectory(name, in: parent, mode: mode, context)
        }
      }, undo: undo)
  }

  package func makeSymlink(
    _ name: RawPath, in parent: NodeID, target: RawPath, _ context: RequestContext,
    _ reply: consuming EntryReply
  ) {
    reply.answer(
      { () throws(Errno) in
        try changing { tree throws(Errno) in
          try tree.makeSymlink(name, in: parent, target: target, context)
        }
      }, undo: undo)
  }

  package func link(
    _ node: NodeID, to name: RawPath, in parent: NodeID, _ context: RequestContext,
    _ reply: consuming EntryReply
  ) {
    guard copiesLong(node) else {
      answerLink(node, name, parent, reply)
      return
    }
    let deferred = DeferredReply(reply)
    copying(node, context) { [self] error in
      guard let reply = deferred.take() else { return }
      if let error { reply.fail(error) } else { answerLink(node, name, parent, reply) }
    }
  }

  private func answerLink(
    _ node: NodeID, _ name: RawPath, _ parent: NodeID, _ reply: consuming EntryReply
  ) {
    reply.answer(
      { () throws(Errno) in
        try changing { tree throws(Errno) in try tree.link(node, to: name, in: parent) }
      }, undo: undo)
  }

  package func unlink(
    _ name: RawPath, in parent: NodeID, _ context: RequestContext, _ reply: consuming EmptyReply
  ) {
    reply.answer { () throws(Errno) in
      try changing { tree throws(Errno) in try tree.unlink(name, in: parent) }
    }
  }

  package func removeDirectory(
    _ name: RawPath, in parent: NodeID, _ context: RequestContext, _ reply: consuming EmptyReply
  ) {
    reply.answer { () throws(Errno) in
      try changing { tree throws(Errno) in try tree.removeDirectory(name, in: parent) }
    }
  }

  package func rename(
    _ name: RawPath, in parent: NodeID, to newName: RawPath, in newParent: NodeID,
    _ flags: RenameFlags, _ context: RequestContext, _ reply: consuming EmptyReply
  ) {
    let answer = { @Sendable [self] (reply: consuming EmptyReply) in
      reply.answer { () throws(Errno) in
        try changing { tree throws(Errno) in
          try tree.rename(name, in: parent, to: newName, in: newParent, flags)
        }
      }
    }
    guard let node = tree.withLock({ $0.longNode(name, in: parent) }) else {
      answer(reply)
      return
    }
    let deferred = DeferredReply(reply)
    copying(node, context) { error in
      guard let reply = deferred.take() else { return }
      if let error { reply.fail(error) } else { answer(reply) }
    }
  }

  // MARK: - Attributes

  package func attributes(
    of node: NodeID, _ context: RequestContext, _ reply: consuming ExtendedAttributesReply
  ) {
    reply.answer(lifetime: options.lifetime) { () throws(Errno) in
      try asking { tree throws(Errno) in try tree.attributes(of: node) }
    }
  }

  package func attributes(
    of node: NodeID, handle: UInt64?, _ context: RequestContext, _ reply: consuming AttributesReply
  ) {
    reply.answer(lifetime: options.lifetime) { () throws(Errno) in
      try asking { tree throws(Errno) in try tree.attributes(of: node) }
    }
  }

  package func setAttributes(
    of node: NodeID, _ changes: AttributeChanges, _ context: RequestContext,
    _ reply: consuming AttributesReply
  ) {
    guard copiesLong(node, upTo: changes.size) else {
      answerSetAttributes(node, changes, context, reply)
      return
    }
    let deferred = DeferredReply(reply)
    copying(node, upTo: changes.size, context) { [self] error in
      guard let reply = deferred.take() else { return }
      if let error {
        reply.fail(error)
      } else {
        answerSetAttributes(node, changes, context, reply)
      }
    }
  }

  private func answerSetAttributes(
    _ node: NodeID, _ changes: AttributeChanges, _ context: RequestContext,
    _ reply: consuming AttributesReply
  ) {
    reply.answer(lifetime: options.lifetime) { () throws(Errno) in
      try changing(but: node) { tree throws(Errno) in
        try tree.setAttributes(of: node, changes, context)
      }
    }
  }

  package func fileSystemStatus(
    _ node: NodeID, _ context: RequestContext, _ reply: consuming FileSystemStatusReply
  ) {
    reply.answer { () throws(Errno) in
      try asking { tree throws(Errno) in try tree.fileSystemStatus() }
    }
  }

  /// Takes back a lookup that the kernel did not learn of.
  func undo(_ entry: Entry) {
    if let node = entry.node { forget(node, count: 1) }
  }

  /// Runs a change of the tree, and before its caller hears of it tells the kernel which attributes it
  /// remembers wrongly.
  ///
  /// Told after the reply, a caller that is quick could still see the old ones. It is no risk here: a
  /// request's own path keeps the nodes that it changes in the kernel, and attributes are forgotten
  /// without waiting for anything.
  func changing<Result: Sendable>(
    but known: NodeID? = nil, _ body: (MergedTree) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    defer { tellStale(but: known) }
    return try asking(body)
  }

  /// Those of files that were copied up, whose number or count of links may be another now.
  private func tellStale(but known: NodeID?) {
    let (nodes, listings) = tree.withLock { tree -> ([NodeID], [NodeID]) in
      if tree.staleAttributes.isEmpty { return ([], []) }
      defer {
        tree.staleAttributes = []
        tree.staleListings = []
      }
      return (tree.staleAttributes, tree.staleListings)
    }
    if nodes.isEmpty { return }
    guard let notifier = notifier.withLock({ $0 }) else { return }
    for node in nodes where node != known { notifier.attributesChanged(node) }
    for directory in listings { notifier.listingChanged(directory) }
  }
}
