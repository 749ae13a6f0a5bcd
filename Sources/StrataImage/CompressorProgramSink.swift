import StrataCompression
import StrataModel
import StrataSystem

/// Compresses by a program that makes gzip, behind a header that is given.
///
/// A thread passes on what comes back. Where the sink refuses that, the program is ended, and writing
/// here throws.
final class CompressorProgramSink: FinishingSink {
  private let child: ChildProcess
  private let socket: SharedDescriptor
  private let relay: Monitor<Relay>
  private var thread: JoinableThread?
  private let name: String

  /// What the thread works with: the sink is its alone until it has ended.
  private struct Relay {
    let sink: any ByteSink
    let header: [UInt8]
    var error: StreamError?
  }

  /// Nil where the program is not installed or cannot be started.
  init?(_ program: BlobMaker.Program, header: [UInt8], level: Int, to sink: any ByteSink) {
    name = program.rawValue
    let cwd = FileDescriptor.workingDirectory
    let places: [RawPath] = ["/usr/bin", "/bin", "/usr/local/bin"]
    let paths = places.map { $0.appending(RawPath(program.rawValue)) }
    guard let path = paths.first(where: { (try? cwd.exists($0)) == true }) else { return nil }
    do throws(Errno) {
      let (ours, theirs) = try streamSocketPair()
      child = try ChildProcess.start(
        path, Self.arguments(program, level), environment: ["PATH=/usr/bin:/bin"],
        input: theirs.view, output: theirs.view)
      socket = ours
      withExtendedLifetime(theirs) {}
    } catch {
      return nil
    }
    relay = Monitor(Relay(sink: sink, header: header))
    let (relay, socket, child) = (relay, socket, child)
    do throws(Errno) {
      thread = try JoinableThread { Self.passOn(relay, socket, child) }
    } catch {
      relay.change { $0.error = StreamError(error, "start a thread") }
    }
  }

  deinit { _ = end() }

  private static func arguments(_ program: BlobMaker.Program, _ level: Int) -> [RawPath] {
    let level = RawPath("-\(level)")
    switch program {
    case .gzip: return ["gzip", "-n", "-c", level]
    // With one thread it writes other bytes than with several, whose number does not matter.
    case .pigz: return ["pigz", "-n", "-c", "-p", RawPath("\(max(2, availableCores))"), level]
    }
  }

  func write(_ bytes: RawSpan) throws(StreamError) {
    do throws(Errno) {
      try socket.view.sendAll(bytes)
    } catch {
      throw failure ?? StreamError(error, "write to \(name)")
    }
  }

  func finish() throws(StreamError) {
    let failure = end()
    if let failure { throw failure }
  }

  private var failure: StreamError? { relay.change { $0.error } }

  /// Waits for all, once; nil where the program and what it was for went well.
  private func end() -> StreamError? {
    guard let running = thread.take() else { return failure }
    try? socket.view.finishSending()
    running.join()
    let status = try? child.wait()
    if let failure { return failure }
    return status == 0 ? nil : StreamError(.unsupported, "\(name) failed")
  }

  private static func passOn(
    _ relay: Monitor<Relay>, _ socket: SharedDescriptor, _ child: ChildProcess
  ) {
    let (sink, header) = relay.change { ($0.sink, $0.header) }
    do throws(StreamError) {
      let source = SocketSource(socket)
      // Its own header is the shortest: no name, no extra field.
      let own = ByteBuffer(capacity: 10)
      while own.count < own.capacity {
        let count = own.count
        try own.append { (span: inout MutableRawSpan) throws(StreamError) -> Int in
          try source.read(into: &span)
        }
        if own.count == count { throw StreamError(.unexpectedEnd, "no gzip came") }
      }
      guard own.withBytes({ $0.byte(at: 3) }) == 0 else {
        throw StreamError(.unsupported, "another header than expected")
      }
      try sink.write(header)
      _ = try source.copy(to: sink, bufferSize: 1 << 17)
    } catch {
      relay.change { $0.error = error }
      // SIGKILL.
      try? child.signal(9)
    }
  }
}

/// What comes through a socket.
private final class SocketSource: ByteSource {
  private let socket: SharedDescriptor

  init(_ socket: SharedDescriptor) { self.socket = socket }

  func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    do throws(Errno) {
      return try socket.view.read(into: &span)
    } catch {
      throw StreamError(error, "read from a program")
    }
  }
}
