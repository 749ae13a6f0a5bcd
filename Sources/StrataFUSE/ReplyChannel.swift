import CStrata
import Glibc
import StrataSystem
import Synchronization

/// The way out to the kernel: the device's descriptor and memory for large replies.
///
/// Any thread may send; one write(2) is one reply, so no lock is held for it.
final class ReplyChannel: Sendable {
  /// The device, owned by the session, which outlives every request it read.
  private let device: Int32
  /// Buffers not in use.
  ///
  /// At most as many as there are threads that serve at once.
  private let spare = Mutex<[ReplyBuffer]>([])
  /// Pipes not in use, each empty; a pipe that something went wrong with is not kept.
  ///
  /// Nil where none is to be had.
  private let pipes = Mutex<[PagePipe]?>([])
  /// The most bytes a READ or READDIR can ask for.
  private let bufferSize: Int
  /// Hears of every request that was answered.
  private let journal: RequestJournal?

  init(device: FileDescriptor, bufferSize: Int, journal: RequestJournal? = nil) {
    self.journal = journal
    self.device = device.rawValue
    self.bufferSize = bufferSize
  }

  func takeBuffer() -> ReplyBuffer {
    spare.withLock { $0.popLast() } ?? ReplyBuffer(size: bufferSize)
  }

  func giveBack(_ buffer: ReplyBuffer) {
    spare.withLock { if $0.count < 8 { $0.append(buffer) } }
  }

  /// Sends a header with an error number, nothing else.
  func send(error number: Int32, to unique: UInt64) {
    unsafe withUnsafeTemporaryAllocation(byteCount: WireWriter.headerSize, alignment: 8) { memory in
      _ = unsafe send(memory, error: number, to: unique)
    }
  }

  /// Sends `fill`'s body of at most `size` bytes.
  func send(size: Int, to unique: UInt64, _ fill: (inout WireWriter) -> Void) -> Bool {
    unsafe withUnsafeTemporaryAllocation(
      byteCount: WireWriter.headerSize + size, alignment: 8
    ) { memory in
      var writer = unsafe WireWriter(memory)
      fill(&writer)
      return unsafe send(
        UnsafeMutableRawBufferPointer(rebasing: memory[..<writer.count]), to: unique)
    }
  }

  /// Sends a message that answers no request: its number is 0, and the code stands for the error.
  func sendNotification(code: Int32, size: Int, _ fill: (inout WireWriter) -> Void) -> Bool {
    unsafe withUnsafeTemporaryAllocation(
      byteCount: WireWriter.headerSize + size, alignment: 8
    ) { memory in
      var writer = unsafe WireWriter(memory)
      fill(&writer)
      return unsafe send(
        UnsafeMutableRawBufferPointer(rebasing: memory[..<writer.count]), error: -code, to: 0)
    }
  }

  /// Sends bytes that lie elsewhere, without copying them.
  func send(_ bytes: RawSpan, to unique: UInt64) -> Bool {
    unsafe bytes.withUnsafeBytes { body in
      unsafe withUnsafeTemporaryAllocation(byteCount: WireWriter.headerSize, alignment: 8) { head in
        unsafe fillHeader(
          head, length: WireWriter.headerSize + body.count, error: 0, unique: unique)
        let parts = unsafe [
          iovec(iov_base: head.baseAddress, iov_len: head.count),
          iovec(iov_base: UnsafeMutableRawPointer(mutating: body.baseAddress), iov_len: body.count),
        ]
        return written(unique) { unsafe writev(device, parts, 2) }
      }
    }
  }

  /// Sends `memory` whole after filling in its header.
  func send(
    _ memory: UnsafeMutableRawBufferPointer, error number: Int32 = 0, to unique: UInt64
  ) -> Bool {
    unsafe fillHeader(memory, length: memory.count, error: number, unique: unique)
    return written(unique) { unsafe write(device, memory.baseAddress, memory.count) }
  }

  /// What came of `splice`.
  enum Spliced {
    case sent
    /// The kernel took no reply.
    case refused
    /// Nothing was sent: the bytes have to be read.
    case unable
  }

  /// Sends `count` bytes of a file, whose pages the kernel copies to where they are wanted: one copy less
  /// than reading them and writing them to the device.
  func splice(_ file: FileDescriptor, at offset: Int64, count: Int, to unique: UInt64) -> Spliced {
    // The header takes a page, and so do both ends of the bytes.
    guard count + 3 * 4096 <= Self.pipeSize, let pipe = takePipe() else { return .unable }
    var head = [UInt8](repeating: 0, count: WireWriter.headerSize)
    unsafe head.withUnsafeMutableBytes {
      unsafe fillHeader($0, length: $0.count + count, error: 0, unique: unique)
    }
    do throws(Errno) {
      try pipe.put(head.rawSpan)
      guard try pipe.put(file, at: offset, count: count) else { return .unable }
    } catch { return .unable }
    do throws(Errno) {
      try pipe.take(WireWriter.headerSize + count, to: FileDescriptor(rawValue: device))
    } catch {
      guard error == .noSuchFileOrDirectory || error == .noSuchDevice else { return .unable }
      journal?.finished(unique)
      return .refused
    }
    journal?.finished(unique)
    pipes.withLock { if ($0?.count ?? 8) < 8 { $0?.append(pipe) } }
    return .sent
  }

  private func takePipe() -> PagePipe? {
    let (isPossible, spare) = pipes.withLock { ($0 != nil, $0?.popLast()) }
    if spare != nil || !isPossible { return spare }
    let made = try? PagePipe(capacity: Self.pipeSize)
    if made == nil { pipes.withLock { $0 = nil } }
    return made
  }

  /// What an ordinary user may have; the kernel asks for 256 KiB at once.
  private static let pipeSize = 1 << 20

  /// An ioctl of the device; its result.
  func control(_ command: UInt, _ argument: inout [UInt8]) throws(Errno) -> Int32 {
    let result = unsafe argument.withUnsafeMutableBytes {
      unsafe cstrata_ioctl(device, command, $0.baseAddress)
    }
    if result < 0 { throw Errno(rawValue: -result) }
    return result
  }

  /// `fuse_out_header`: length, negative error, the request's number.
  private func fillHeader(
    _ memory: UnsafeMutableRawBufferPointer, length: Int, error: Int32, unique: UInt64
  ) {
    unsafe memory.storeBytes(of: UInt32(length), toByteOffset: 0, as: UInt32.self)
    unsafe memory.storeBytes(of: -error, toByteOffset: 4, as: Int32.self)
    unsafe memory.storeBytes(of: unique, toByteOffset: 8, as: UInt64.self)
  }

  /// False if the kernel took no reply: ENOENT, the caller was interrupted and is gone; ENODEV, the
  /// mount is.
  ///
  /// In both cases nobody can use what the reply promised.
  private func written(_ unique: UInt64, _ call: () -> Int) -> Bool {
    defer { journal?.finished(unique) }
    while true {
      if call() >= 0 { return true }
      if errno != EINTR { return false }
    }
  }
}

/// Memory for one large reply, the header's place in front.
@safe final class ReplyBuffer: @unchecked Sendable {
  // Owned by exactly one reply, or by the channel's list of spares: never two users at a time.
  let memory: UnsafeMutableRawBufferPointer

  init(size: Int) {
    unsafe memory = .allocate(byteCount: WireWriter.headerSize + size, alignment: 4096)
  }

  deinit { unsafe memory.deallocate() }
}
