import StrataSystem

/// Serving with a journal of requests, so that another process can go on where this one is killed.
extension Session {
  /// As without a journal; an INIT that a process before this one has read, and its answer, stay what
  /// they were, since the kernel asks once a mount.
  static func negotiate(
    _ fileSystem: any FileSystem, _ device: FileDescriptor, _ journal: RequestJournal
  ) throws(Errno) -> Negotiation {
    if unsafe journal.initRequest == nil {
      var spin = IdleSpin(nanoseconds: 0)
      guard try unsafe receive(device, journal.initBuffer, &spin) != nil else {
        throw .noSuchDevice
      }
    }
    guard let bytes = unsafe journal.initRequest else { throw .protocolError }
    var request = try unsafe Request(bytes)
    guard Opcode(rawValue: request.opcode) == .initialize else { throw .protocolError }
    var connection = try Negotiation(&request.body)
    let answer = unsafe journal.initAnswer
    if journal.negotiated == 0 {
      fileSystem.negotiate(&connection)
      connection.settle()
      var writer = unsafe WireWriter(answer)
      writer.put(connection)
      journal.negotiated = 1
    } else {
      var reader = unsafe WireReader(UnsafeRawBufferPointer(answer))
      try reader.skip(WireWriter.headerSize)
      try connection.restore(&reader)
    }
    if journal.negotiated == 1 {
      // ENOENT where the process before this one has sent it and died before it could say so.
      _ = unsafe ReplyChannel(device: device, bufferSize: 0)
        .send(answer, to: request.context.unique)
      journal.negotiated = 2
    }
    return connection
  }

  /// Answers what the processes before this one have left, then as `serve()`.
  func serve(_ journal: RequestJournal) throws(Errno) {
    for left in journal.leftOver() {
      if left.suspicion >= 2 {
        // Two processes have died of it: one caller gets an error, the others go on.
        journal.began(left.unique, in: left.slot)
        channel.send(error: Errno.inputOutputError.rawValue, to: left.unique)
        journal.left()
      } else {
        handle(left.slot, left.length, journal)
      }
    }
    var spin = idleSpin
    while true {
      let slot = journal.take()
      guard
        let count = try unsafe Self.receive(device.view, journal.buffer(slot), &spin)
      else { break }
      handle(slot, count, journal)
      while fileSystem.hasWorkAhead, !IdleSpin.hasRequest(device.view) { fileSystem.workAhead() }
    }
    fileSystem.destroy()
  }

  private func handle(_ slot: Int, _ count: Int, _ journal: RequestJournal) {
    let memory = unsafe UnsafeRawBufferPointer(rebasing: journal.buffer(slot)[..<count])
    // Copied before the request is handled: its answer gives the slot back.
    guard let request = try? unsafe Request(memory) else { return journal.giveBack(slot) }
    let unique = request.context.unique
    let isAnswered = Opcode(rawValue: request.opcode)?.isAnswered ?? true
    journal.began(unique, in: slot)
    unsafe handle(memory)
    if !isAnswered { journal.finished(unique) }
    journal.left()
  }
}

extension Opcode {
  /// Whether the kernel waits for a reply.
  fileprivate var isAnswered: Bool {
    switch self {
    case .forget, .batchForget, .interrupt, .notifyReply: false
    default: true
    }
  }
}

extension Negotiation {
  /// What a `fuse_init_out` says was agreed on.
  fileprivate mutating func restore(_ answer: inout WireReader) throws(Errno) {
    try answer.skip(8)
    maxReadahead = try answer.number()
    let low: UInt32 = try answer.number()
    maxBackground = try answer.number()
    congestionThreshold = try answer.number()
    maxWrite = try answer.number()
    timeGranularity = try answer.number()
    try answer.skip(4)
    let high: UInt32 = try answer.number()
    wanted = Capabilities(rawValue: UInt64(low) | UInt64(high) << 32)
    maxStackDepth = try answer.number()
  }
}
