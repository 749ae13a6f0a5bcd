import CStrata
import Glibc

/// A process of its own that makes file-system calls which may never return.
///
/// A thread that has asked a FUSE server cannot be ended before the server answers, and neither can
/// the process that it belongs to; this process can always stop waiting for the worker. One request at
/// a time: whoever has the worker. After an error of waiting (ETIMEDOUT, ECHILD) it is of no use any
/// more and must be let go; it ends when its call returns.
package final class CallWorker: Sendable {
  /// What stat(2) says of a file that only a worker may ask for.
  package struct Status: Sendable {
    /// Type and permission bits together.
    package var mode: UInt32
    package var uid, gid: UInt32
    package var size: Int64

    package var type: FileType { FileType(mode: mode) }
  }

  /// Why there is no answer.
  package enum Failure: Error, Sendable {
    /// The kernel, or the server of the file system, refused.
    case refused(Errno)
    /// No answer came in time, or the worker has died: it must not be used again.
    case lost(Errno)
  }

  private let socket: FileDescriptorOwner

  /// Starts a worker.
  package init() throws(Errno) {
    var number: Int32 = -1
    try check { unsafe cstrata_worker_start(&number) }
    socket = FileDescriptorOwner(owning: number)
  }

  /// The status of a file, from a server that is alive.
  ///
  /// C: `stat`, `statfs`.
  package func status(of path: RawPath, within milliseconds: Int32) throws(Failure) -> Status {
    let reply = try ask(CSTRATA_WORKER_STATUS, path, milliseconds).head
    return Status(mode: reply.mode, uid: reply.uid, gid: reply.gid, size: reply.size)
  }

  /// Opens a directory for reading; the caller owns the descriptor.
  ///
  /// C: `open`.
  package func openDirectory(_ path: RawPath, within milliseconds: Int32) throws(Failure)
    -> FileDescriptorOwner
  {
    let descriptor = try ask(CSTRATA_WORKER_OPEN_DIRECTORY, path, milliseconds).descriptor
    if descriptor < 0 { throw .lost(.noChild) }
    return FileDescriptorOwner(owning: descriptor)
  }

  /// Makes a file, closes it, and removes it again.
  ///
  /// C: `creat`, `unlink`.
  package func create(_ path: RawPath, within milliseconds: Int32) throws(Failure) {
    _ = try ask(CSTRATA_WORKER_CREATE, path, milliseconds)
  }

  /// Removes an empty directory.
  ///
  /// C: `rmdir`.
  package func removeDirectory(_ path: RawPath, within milliseconds: Int32) throws(Failure) {
    _ = try ask(CSTRATA_WORKER_REMOVE_DIRECTORY, path, milliseconds)
  }

  /// Begins to read a file; `nextPiece` gives its bytes.
  package func beginReading(_ path: RawPath) throws(Failure) {
    try send(CSTRATA_WORKER_READ, path)
  }

  /// The next bytes of the file that is being read, appended to the buffer, which must have room for
  /// `pieceSize` of them; 0 is the end of the file, after which the worker is free again.
  package func nextPiece(into buffer: ByteBuffer, within milliseconds: Int32) throws(Failure)
    -> Int
  {
    let before = buffer.count
    var reply = cstrata_worker_reply()
    var failure: Failure?
    buffer.append { (span: inout MutableRawSpan) -> Int in
      unsafe span.withUnsafeMutableBytes { memory in
        guard memory.count >= Self.pieceSize else {
          failure = .refused(.noSpace)
          return 0
        }
        do throws(Failure) {
          let answer = try unsafe receive(into: memory.baseAddress, milliseconds)
          reply = answer.head
          return answer.count
        } catch {
          failure = error
          return 0
        }
      }
    }
    if let failure { throw failure }
    if reply.error != 0 { throw .refused(Errno(rawValue: reply.error)) }
    return buffer.count - before
  }

  /// The most bytes that one call of `nextPiece` gives.
  package static let pieceSize = Int(CSTRATA_WORKER_PIECE)

  private func send(_ call: cstrata_worker_call, _ path: RawPath) throws(Failure) {
    do throws(Errno) {
      try unsafe path.withCString { name throws(Errno) in
        try check { unsafe cstrata_worker_send(socket.rawValue, call.rawValue, name) }
      }
    } catch {
      throw error == .nameTooLong ? .refused(error) : .lost(error)
    }
  }

  private func ask(_ call: cstrata_worker_call, _ path: RawPath, _ milliseconds: Int32)
    throws(Failure) -> (head: cstrata_worker_reply, descriptor: Int32)
  {
    try send(call, path)
    // No request of these is answered with bytes.
    var unused = [UInt8](repeating: 0, count: Self.pieceSize)
    var failure: Failure?
    var result = (head: cstrata_worker_reply(), descriptor: Int32(-1))
    unsafe unused.withUnsafeMutableBytes { memory in
      do throws(Failure) {
        let answer = try unsafe receive(into: memory.baseAddress, milliseconds)
        result = (answer.head, answer.descriptor)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    if result.head.error != 0 { throw .refused(Errno(rawValue: result.head.error)) }
    return result
  }

  private func receive(into memory: UnsafeMutableRawPointer?, _ milliseconds: Int32)
    throws(Failure) -> (head: cstrata_worker_reply, count: Int, descriptor: Int32)
  {
    var head = cstrata_worker_reply()
    var descriptor: Int32 = -1
    let count = unsafe cstrata_worker_receive(
      socket.rawValue, milliseconds, &head, memory, &descriptor)
    if count < 0 {
      if descriptor >= 0 { _ = cstrata_close(descriptor) }
      throw .lost(Errno(rawValue: Int32(-count)))
    }
    return (head, count, descriptor)
  }
}
