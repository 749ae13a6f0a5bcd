import Glibc
package import StrataSystem
import Synchronization

/// A mounted file system being served: the device, what was negotiated, and the loop that reads
/// requests and hands them to a `FileSystem`.
///
/// Requests are parsed and answered here and not by libfuse, whose 3.14 hides what HANDLE_KILLPRIV_V2
/// and passthrough need, and whose share of the daemon's time was 7 to 15 percent; libfuse is used
/// for what needs its setuid helper (`MountHelper`).
package final class Session: Sendable {
  let device: SharedDescriptor
  let fileSystem: any FileSystem
  let channel: ReplyChannel
  /// What the kernel and we agreed on.
  package let capabilities: Capabilities
  private let kernelMinor: UInt32
  private let requestSize: Int
  /// Prints each request on standard error.
  private let traces: Bool
  /// How long the reader may look for the next request before it sleeps, in nanoseconds.
  private let spin: UInt64
  private let operations = OperationCounts()
  private let journal: RequestJournal?

  /// Takes the device of a fresh mount and answers its INIT, after which the mount is usable.
  ///
  /// Errors of the device are thrown; ENODEV if the mount is gone already, EPROTO if the kernel does
  /// not speak protocol 7.23 or later. With a journal the mount need not be fresh: another process may
  /// have served it.
  package init(
    _ fileSystem: any FileSystem, device: SharedDescriptor, traces: Bool = false,
    spin: UInt64 = 0, journal: RequestJournal? = nil
  ) throws(Errno) {
    let connection: Negotiation
    if let journal {
      connection = try Self.negotiate(fileSystem, device.view, journal)
    } else {
      connection = try Self.negotiate(fileSystem, device.view)
    }
    capabilities = connection.wanted
    kernelMinor = connection.kernelMinor
    requestSize = Int(connection.maxWrite) + Self.overhead
    channel = ReplyChannel(
      device: device.view, bufferSize: Self.largestTransfer, journal: journal)
    self.fileSystem = fileSystem
    self.device = device
    self.traces = traces
    self.spin = spin
    self.journal = journal
    fileSystem.start(Notifier(channel: channel))
  }

  /// What was asked so far, and over which way, as lines for a person.
  package func report() -> String {
    """
    \(operations.line)
    # TRANSPORT: protocol 7.\(min(kernelMinor, 45)), passthrough \
    \(capabilities.contains(.passthrough) ? "granted" : "not granted")

    """
  }

  /// How many requests of each kind came so far.
  package var requestCounts: [(name: String, count: UInt64)] { operations.named }

  /// The largest READ, WRITE and READDIR: 256 pages, the kernel's default limit.
  static let largestTransfer = 1 << 20
  /// Room for the headers before a WRITE's bytes; a page, so that the kernel's own check passes.
  static let overhead = 4096

  /// Answers requests until the mount is gone.
  ///
  /// Errors: those of the device that are not part of its ordinary life.
  package func serve() throws(Errno) {
    if let journal { return try serve(journal) }
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: requestSize, alignment: 4096)
    defer { unsafe memory.deallocate() }
    var spin = idleSpin
    while let count = try unsafe Self.receive(device.view, memory, &spin) {
      unsafe handle(UnsafeRawBufferPointer(rebasing: memory[..<count]))
      while fileSystem.hasWorkAhead, !IdleSpin.hasRequest(device.view) { fileSystem.workAhead() }
    }
    fileSystem.destroy()
  }

  var idleSpin: IdleSpin { IdleSpin(nanoseconds: availableCores > 1 ? spin : 0) }

  /// One request, or nil when the mount is gone.
  static func receive(
    _ device: FileDescriptor, _ memory: UnsafeMutableRawBufferPointer, _ spin: inout IdleSpin
  ) throws(Errno) -> Int? {
    while true {
      let looks = spin.isLooking
      if looks { spin.look(device) }
      let start = looks ? 0 : monotonicNanoseconds()
      if !looks { spin.sleeps(start) }
      do throws(Errno) {
        var span = unsafe memory.mutableBytes
        let count = try device.read(into: &span)
        if !looks {
          let now = monotonicNanoseconds()
          spin.slept(now - start, until: now, for: unsafe RequestGlance(memory, count: count))
        }
        // The device gives no empty read; a test's socket does at its end.
        if count == 0 { return nil }
        if count >= Request.headerSize { return count }
      } catch {
        switch error {
        case .noSuchDevice: return nil
        // The request was withdrawn between the wake-up and the read.
        case .noSuchFileOrDirectory, .wouldBlock: continue
        default: throw error
        }
      }
    }
  }

  func handle(_ memory: UnsafeRawBufferPointer) {
    do throws(Errno) {
      var request = try unsafe Request(memory)
      if traces { trace(request) }
      operations.count(request.opcode)
      do throws(Errno) {
        try dispatch(&request)
      } catch {
        // Nothing was answered: parsing ends before a reply is made.
        channel.send(error: error.rawValue, to: request.context.unique)
      }
    } catch {
      // Without a header there is nobody to answer.
    }
  }

  private func trace(_ request: Request) {
    let name = Opcode(rawValue: request.opcode).map { "\($0)" } ?? "opcode \(request.opcode)"
    let context = request.context
    let line =
      "\(context.unique): \(name) node \(request.node.rawValue) uid \(context.uid)"
      + " gid \(context.gid) pid \(context.pid)\n"
    try? FileDescriptor.standardError.writeAll(Array(line.utf8))
  }
}

// MARK: - INIT

extension Session {
  /// Reads INIT, asks the file system what it wants, and answers.
  private static func negotiate(
    _ fileSystem: any FileSystem, _ device: FileDescriptor
  ) throws(Errno) -> Negotiation {
    // The kernel refuses buffers under 8 KiB; before INIT no request is longer than that.
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 * overhead, alignment: 4096)
    defer { unsafe memory.deallocate() }
    var spin = IdleSpin(nanoseconds: 0)
    guard let count = try unsafe receive(device, memory, &spin) else { throw .noSuchDevice }
    var request = try unsafe Request(UnsafeRawBufferPointer(rebasing: memory[..<count]))
    guard Opcode(rawValue: request.opcode) == .initialize else { throw .protocolError }
    var connection = try Negotiation(&request.body)
    fileSystem.negotiate(&connection)
    connection.settle()
    let channel = ReplyChannel(device: device, bufferSize: 0)
    guard channel.send(size: 64, to: request.context.unique, { $0.put(connection) }) else {
      throw .noSuchDevice
    }
    return connection
  }
}

extension Negotiation {
  /// From `fuse_init_in`; kernels before 7.36 leave the second word of flags out.
  init(_ body: inout WireReader) throws(Errno) {
    let major: UInt32 = try body.number()
    kernelMinor = try body.number()
    // From 7.23 on replies have one form; Linux 3.15 spoke it.
    guard major == 7, kernelMinor >= 23 else { throw .protocolError }
    maxReadahead = try body.number()
    let low: UInt32 = try body.number()
    var flags = Capabilities(rawValue: UInt64(low))
    if flags.contains(.extendedInit) {
      let high: UInt32 = try body.number()
      flags = Capabilities(rawValue: UInt64(low) | UInt64(high) << 32)
    }
    offered = flags
    wanted = Self.usual
    maxWrite = UInt32(Session.largestTransfer)
    maxBackground = 64
    congestionThreshold = 48
  }

  /// Drops what the kernel does not offer or what excludes each other.
  mutating func settle() {
    if offered.contains(.extendedInit) { wanted.insert(.extendedInit) }
    wanted.formIntersection(offered)
    maxWrite = min(max(maxWrite, 4096), UInt32(Session.largestTransfer))
    // The kernel leaves passthrough off in silence beside a writeback cache (measured on 6.18).
    if wanted.contains(.writebackCache) || maxStackDepth == 0 { wanted.remove(.passthrough) }
  }
}

extension WireWriter {
  /// `fuse_init_out`, 64 bytes.
  mutating func put(_ connection: Negotiation) {
    put(UInt32(7))
    // The newest minor whose replies are known here; an older kernel is followed.
    put(min(connection.kernelMinor, 45))
    put(connection.maxReadahead)
    put(UInt32(truncatingIfNeeded: connection.wanted.rawValue))
    put(connection.maxBackground)
    put(connection.congestionThreshold)
    put(connection.maxWrite)
    put(connection.timeGranularity)
    put(UInt16(Session.largestTransfer / 4096))
    put(UInt16(0))
    put(UInt32(truncatingIfNeeded: connection.wanted.rawValue >> 32))
    put(connection.maxStackDepth)
    putZeros(24)
  }
}
