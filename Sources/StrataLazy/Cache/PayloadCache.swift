import StrataDigest
import StrataModel
package import StrataSystem
import Synchronization

/// Contents of files, one plain file for each, named by their SHA-256 and shared by all layers.
///
///     files/ab/<sha256>                 complete, 0400, never written again
///     partial/<sha256>-<layout>         sparse, under way
///     partial/<sha256>-<layout>.map     which of its chunks are there (see `PartialPayload`)
///
/// Nothing gets a name in `files` before it was verified. A file's modification time says when it was
/// last opened, to the hour, and its nanoseconds in which boot it was verified: content of another boot is
/// hashed once before it is used, since a power cut may have taken a part of it. Where the disk is full,
/// writing throws (`StreamError.isFullDisk`) and the caller serves from memory. Any thread may call.
package final class PayloadCache: Sendable {
  let directory: SharedDescriptor
  let boot: BootID
  private let state = Mutex(State())

  private struct State {
    var partials: [SHA256Value: WeakPartial] = [:]
    var isDirty = false
    var writtenBytes: Int64 = 0
  }

  private struct WeakPartial {
    weak var partial: PartialPayload?
  }

  /// Opens or makes the cache in a directory of the daemon's own.
  package init(_ directory: consuming FileDescriptorOwner, boot: BootID) throws(StreamError) {
    self.directory = SharedDescriptor(directory)
    self.boot = boot
    let view = self.directory.view
    do throws(Errno) {
      try view.makeDirectories("files", mode: 0o700)
      try view.makeDirectories("partial", mode: 0o700)
    } catch { throw StreamError(error, "make the cache's folders") }
  }

  // MARK: - Complete content

  /// The content, if all of it is here and sound; nil: it is to be fetched.
  ///
  /// Content that is not what it should be is removed. Reads the whole file if it was not verified since
  /// the last boot.
  package func open(_ payload: Payload) throws(StreamError) -> CachedPayload? {
    let directory = directory
    let path = Self.path(payload.key)
    do throws(Errno) {
      let file = try directory.view.open(path, [.readOnly, .noFollow])
      let status = try file.view.status()
      guard status.type == .regular, status.size == payload.size else {
        try directory.view.unlink(path)
        return nil
      }
      if status.modificationTime.nanoseconds != boot.stamp {
        guard try Self.isSound(file.view, payload) else {
          try directory.view.unlink(path)
          return nil
        }
        try stamp(file.view)
      } else if FileTime.now.seconds - status.modificationTime.seconds >= 3600 {
        try stamp(file.view)
      }
      return CachedPayload(file, size: status.size)
    } catch  where error == .noSuchFileOrDirectory {
      return nil
    } catch { throw StreamError(error, "open the cached \(path)") }
  }

  /// Keeps the content of a file of one chunk.
  ///
  /// Another's work that came first is as good.
  package func store(_ chunk: VerifiedChunk, as payload: Payload) throws(StreamError)
    -> CachedPayload
  {
    guard payload.chunks == [chunk.chunk], payload.digest == nil || payload.isOneChunk else {
      throw StreamError(.mismatch, "cache: the chunk is not the whole of \(payload.key)")
    }
    let directory = directory
    let path = Self.path(payload.key)
    do throws(Errno) {
      try directory.view.makeDirectories(path.parent, mode: 0o700)
      let file = try directory.view.open(
        path.parent, [.writeOnly, .temporaryFile], mode: 0o400)
      try file.view.writeAll(chunk.bytes)
      try stamp(file.view)
      do throws(Errno) {
        try file.view.linkSelf(to: directory.view, path)
      } catch  where error == .fileExists {}
    } catch { throw StreamError(error, "cache \(path)") }
    noteWritten(Int64(chunk.bytes.count))
    guard let cached = try open(payload) else {
      throw StreamError(.system(.noSuchFileOrDirectory), "cache: \(path) is gone")
    }
    return cached
  }

  /// Gives a complete partial file its name.
  func adopt(_ name: RawPath, _ payload: Payload) throws(StreamError) {
    let directory = directory
    let path = Self.path(payload.key)
    do throws(Errno) {
      try directory.view.makeDirectories(path.parent, mode: 0o700)
      try directory.view.rename(name, to: directory.view, path)
    } catch { throw StreamError(error, "cache \(path)") }
  }

  /// Marks a file as verified in this boot and used now.
  func stamp(_ file: FileDescriptor) throws(Errno) {
    try file.setTimes(
      access: .keep,
      modification: .to(FileTime(seconds: FileTime.now.seconds, nanoseconds: boot.stamp)))
  }

  /// `files/ab/<sha256>`.
  static func path(_ key: SHA256Value) -> RawPath {
    let hex = key.hex
    return RawPath("files/\(hex.prefix(2))/\(hex)")
  }

  /// Whether a file holds what the payload promises: by its digest, or by those of its chunks.
  static func isSound(_ file: FileDescriptor, _ payload: Payload) throws(Errno) -> Bool {
    guard let digest = payload.digest else {
      for chunk in payload.chunks where !chunk.isHole {
        if try !isSound(file, chunk) { return false }
      }
      return true
    }
    var digester = Digester()
    let buffer = ByteBuffer(capacity: 1 << 18)
    var offset: Int64 = 0
    while offset < payload.size {
      try buffer.fill { (span: inout MutableRawSpan) throws(Errno) -> Int in
        try file.read(into: &span, at: offset)
      }
      if buffer.count == 0 { return false }
      buffer.withBytes { digester.update($0) }
      offset += Int64(buffer.count)
    }
    return digester.sha256() == digest
  }

  static func isSound(_ file: FileDescriptor, _ chunk: LayerChunk) throws(Errno) -> Bool {
    let bytes = try file.bytes(Int(chunk.length), at: chunk.fileOffset)
    return Int64(bytes.count) == chunk.length
      && Digester.sha256(of: bytes.rawSpan) == chunk.digest
  }

  // MARK: - Content under way

  /// The content that is being put together, begun if need be; the same object for all who ask.
  ///
  /// Where nothing is missing (a restart came in between, or all of it is a hole), `complete` is to be
  /// called.
  package func partial(_ payload: Payload) throws(StreamError) -> PartialPayload {
    let layout = payload.layout
    if let running = state.withLock({ $0.partials[layout]?.partial }), !running.isComplete {
      return running
    }
    let opened = try PartialPayload(self, payload, layout)
    return state.withLock { state in
      // Another thread may have been faster; whichever stays is what all use.
      if let running = state.partials[layout]?.partial, !running.isComplete { return running }
      state.partials = state.partials.filter { $0.value.partial != nil }
      state.partials[layout] = WeakPartial(partial: opened)
      return opened
    }
  }

  /// Whether somebody uses partial content now.
  func isOpen(partial layout: SHA256Value) -> Bool {
    state.withLock { $0.partials[layout]?.partial != nil }
  }

  func noteWritten(_ count: Int64) {
    state.withLock {
      $0.isDirty = true
      $0.writtenBytes += count
    }
  }

  /// How many bytes were written since the cache was opened: tells when to look for what can go.
  package var writtenBytes: Int64 { state.withLock { $0.writtenBytes } }

  /// Brings what was written since the last call to the disk; to be called about once a minute, and at
  /// the end.
  package func synchronize() throws(Errno) {
    let isDirty = state.withLock { state in
      defer { state.isDirty = false }
      return state.isDirty
    }
    let directory = directory
    guard isDirty else { return }
    let files = try directory.view.open("files", [.readOnly, .directory])
    try files.view.synchronizeFileSystem()
  }
}

extension StreamError {
  /// Whether the disk, or the user's part of it, is full: what could not be cached is served from memory.
  package var isFullDisk: Bool {
    kind == .system(.noSpace) || kind == .system(.quotaExceeded)
  }
}
