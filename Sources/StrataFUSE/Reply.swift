package import StrataSystem

/// The duty to answer one request.
///
/// Dropped unanswered it answers EIO, so that a forgotten path costs an error and never a caller
/// that hangs. Each typed reply below wraps one.
struct PendingReply: ~Copyable, Sendable {
  let channel: ReplyChannel
  /// The request's number, or 0 once it is answered.
  private var unique: UInt64

  init(channel: ReplyChannel, unique: UInt64) {
    self.channel = channel
    self.unique = unique
  }

  deinit {
    if unique != 0 { channel.send(error: Errno.inputOutputError.rawValue, to: unique) }
  }

  mutating func fail(_ error: Errno) {
    channel.send(error: error.rawValue, to: take())
  }

  mutating func send(size: Int = 0, _ fill: (inout WireWriter) -> Void = { _ in }) -> Bool {
    channel.send(size: size, to: take(), fill)
  }

  /// The number, for an attempt to answer that may come to nothing.
  var number: UInt64 { unique }

  /// The number, for the caller to answer with; this value is answered from now on.
  mutating func take() -> UInt64 {
    let number = unique
    unique = 0
    return number
  }
}

/// Success without a value, or an error.
package struct EmptyReply: ~Copyable, Sendable {
  var pending: PendingReply

  package consuming func succeed() { _ = pending.send() }
  package consuming func fail(_ error: Errno) { pending.fail(error) }

  /// Runs `body` and tells how it ended.
  package consuming func answer(_ body: () throws(Errno) -> Void) {
    do throws(Errno) {
      try body()
      succeed()
    } catch { fail(error) }
  }
}

/// A name's node.
///
/// Methods return whether the kernel took the entry: if not (the caller was interrupted), no lookup
/// was counted, and no FORGET will come for it.
package struct EntryReply: ~Copyable, Sendable {
  var pending: PendingReply

  @discardableResult
  package consuming func send(_ entry: Entry) -> Bool {
    pending.send(size: 128) { $0.put(entry) }
  }
  package consuming func fail(_ error: Errno) { pending.fail(error) }

  /// Sends what `body` returns or throws; `undo` gets the entry back if the kernel did not take it.
  package consuming func answer(
    _ body: () throws(Errno) -> Entry, undo: (Entry) -> Void = { _ in }
  ) {
    do throws(Errno) {
      let entry = try body()
      if !send(entry) { undo(entry) }
    } catch { fail(error) }
  }
}

/// A new file and its open.
///
/// As for `EntryReply`, and the open is not released either.
package struct CreateReply: ~Copyable, Sendable {
  var pending: PendingReply

  @discardableResult
  package consuming func send(_ entry: Entry, _ open: OpenResult) -> Bool {
    pending.send(size: 144) {
      $0.put(entry)
      $0.put(open)
    }
  }
  package consuming func fail(_ error: Errno) { pending.fail(error) }

  package consuming func answer(
    _ body: () throws(Errno) -> (Entry, OpenResult), undo: (Entry, OpenResult) -> Void = { _, _ in }
  ) {
    do throws(Errno) {
      let (entry, open) = try body()
      if !send(entry, open) { undo(entry, open) }
    } catch { fail(error) }
  }
}

/// An open file or directory.
///
/// If the kernel did not take it, no release will come.
package struct OpenReply: ~Copyable, Sendable {
  var pending: PendingReply

  @discardableResult
  package consuming func send(_ open: OpenResult) -> Bool {
    pending.send(size: 16) { $0.put(open) }
  }
  package consuming func fail(_ error: Errno) { pending.fail(error) }

  package consuming func answer(
    _ body: () throws(Errno) -> OpenResult, undo: (OpenResult) -> Void = { _ in }
  ) {
    do throws(Errno) {
      let open = try body()
      if !send(open) { undo(open) }
    } catch { fail(error) }
  }
}

/// A file's attributes and how long they hold.
package struct AttributesReply: ~Copyable, Sendable {
  var pending: PendingReply

  package consuming func send(_ attributes: Attributes, lifetime: CacheLifetime = .forever) {
    _ = pending.send(size: 104) {
      $0.put(lifetime.seconds)
      $0.put(lifetime.nanoseconds)
      $0.put(UInt32(0))
      $0.put(attributes)
    }
  }
  package consuming func fail(_ error: Errno) { pending.fail(error) }

  package consuming func answer(
    lifetime: CacheLifetime = .forever, _ body: () throws(Errno) -> Attributes
  ) {
    do throws(Errno) {
      send(try body(), lifetime: lifetime)
    } catch { fail(error) }
  }
}

/// What statfs(2) shows of the mount.
package struct FileSystemStatusReply: ~Copyable, Sendable {
  var pending: PendingReply

  package consuming func send(_ status: FileSystemStatus) {
    _ = pending.send(size: 80) {
      $0.put(status.blocks)
      $0.put(status.freeBlocks)
      $0.put(status.availableBlocks)
      $0.put(status.files)
      $0.put(status.freeFiles)
      $0.put(UInt32(truncatingIfNeeded: status.blockSize))
      $0.put(UInt32(truncatingIfNeeded: status.nameLength))
      $0.put(UInt32(truncatingIfNeeded: status.fragmentSize))
      $0.putZeros(28)
    }
  }
  package consuming func fail(_ error: Errno) { pending.fail(error) }

  package consuming func answer(_ body: () throws(Errno) -> FileSystemStatus) {
    do throws(Errno) {
      send(try body())
    } catch { fail(error) }
  }
}

/// How many bytes were written or copied.
package struct CountReply: ~Copyable, Sendable {
  var pending: PendingReply

  package consuming func send(_ count: Int) {
    _ = pending.send(size: 8) {
      $0.put(UInt32(truncatingIfNeeded: count))
      $0.put(UInt32(0))
    }
  }
  package consuming func fail(_ error: Errno) { pending.fail(error) }

  package consuming func answer(_ body: () throws(Errno) -> Int) {
    do throws(Errno) {
      send(try body())
    } catch { fail(error) }
  }
}

/// A position in a file.
package struct OffsetReply: ~Copyable, Sendable {
  var pending: PendingReply

  package consuming func send(_ offset: Int64) {
    _ = pending.send(size: 8) { $0.put(offset) }
  }
  package consuming func fail(_ error: Errno) { pending.fail(error) }

  package consuming func answer(_ body: () throws(Errno) -> Int64) {
    do throws(Errno) {
      send(try body())
    } catch { fail(error) }
  }
}

/// The result of an ioctl and the bytes that go back to the caller.
package struct ControlReply: ~Copyable, Sendable {
  var pending: PendingReply

  package consuming func send(result: Int32 = 0, output: [UInt8] = []) {
    _ = pending.send(size: 16 + output.count) {
      $0.put(result)
      $0.putZeros(12)
      $0.put(output[...])
    }
  }
  package consuming func fail(_ error: Errno) { pending.fail(error) }

  package consuming func answer(_ body: () throws(Errno) -> [UInt8]) {
    do throws(Errno) {
      send(output: try body())
    } catch { fail(error) }
  }
}
