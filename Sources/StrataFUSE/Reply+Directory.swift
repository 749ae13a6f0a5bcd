package import StrataSystem

/// A part of a directory's listing.
///
/// Append until it is refused, then send: an empty part is the end. `next` is the cookie from which
/// a later request goes on behind this entry; never 0.
package struct DirectoryReply: ~Copyable, Sendable {
  private var part: DirectoryPart

  init(pending: consuming PendingReply, size: Int) {
    part = DirectoryPart(pending: pending, size: size)
  }

  /// Whether an entry of this name still fits.
  package func hasRoom(for name: RawPath) -> Bool {
    part.room >= 24 + paddedToEight(name.count)
  }

  /// Adds an entry; false, and nothing added, if it does not fit any more.
  package mutating func append(
    _ name: RawPath, inode: UInt64, type: FileType, next: UInt64
  ) -> Bool {
    guard hasRoom(for: name) else { return false }
    part.write { $0.putDirent(name, inode: inode, type: type, next: next) }
    return true
  }

  package consuming func send() { _ = part.send() }
  package consuming func fail(_ error: Errno) { part.fail(error) }
}

/// As `DirectoryReply`, each entry with the node that it leads to.
package struct DirectoryPlusReply: ~Copyable, Sendable {
  private var part: DirectoryPart

  init(pending: consuming PendingReply, size: Int) {
    part = DirectoryPart(pending: pending, size: size)
  }

  /// Whether an entry of this name still fits: ask before looking it up.
  package func hasRoom(for name: RawPath) -> Bool {
    part.room >= 128 + 24 + paddedToEight(name.count)
  }

  /// Adds an entry and counts one lookup of its node.
  ///
  /// False, and nothing added or counted, if it does not fit any more.
  package mutating func append(_ name: RawPath, _ entry: Entry, next: UInt64) -> Bool {
    guard hasRoom(for: name) else { return false }
    part.write {
      $0.put(entry)
      $0.putDirent(
        name, inode: entry.attributes.inode, type: FileType(mode: entry.attributes.mode),
        next: next)
    }
    return true
  }

  /// Adds an entry that is listed and not looked up: `.`, `..`, and names that cannot be looked at.
  package mutating func append(
    _ name: RawPath, inode: UInt64, type: FileType, next: UInt64
  ) -> Bool {
    guard hasRoom(for: name) else { return false }
    part.write {
      // A node id of 0 says that there is no entry here, only a listing.
      $0.putZeros(128)
      $0.putDirent(name, inode: inode, type: type, next: next)
    }
    return true
  }

  /// False if the kernel did not take it: none of its entries was counted then.
  @discardableResult
  package consuming func send() -> Bool { part.send() }
  package consuming func fail(_ error: Errno) { part.fail(error) }
}

/// What both forms of a listing take: entries that are listed and not looked up.
package protocol ListingReply: ~Copyable {
  mutating func append(_ name: RawPath, inode: UInt64, type: FileType, next: UInt64) -> Bool
}

extension DirectoryReply: ListingReply {}
extension DirectoryPlusReply: ListingReply {}

/// The memory of a listing under construction.
private struct DirectoryPart: ~Copyable, Sendable {
  var pending: PendingReply
  private let buffer: ReplyBuffer
  private let size: Int
  private var count = WireWriter.headerSize

  init(pending: consuming PendingReply, size: Int) {
    buffer = pending.channel.takeBuffer()
    self.size = unsafe min(WireWriter.headerSize + size, buffer.memory.count)
    self.pending = pending
  }

  var room: Int { size - count }

  mutating func write(_ body: (inout WireWriter) -> Void) {
    var writer = unsafe WireWriter(
      UnsafeMutableRawBufferPointer(rebasing: buffer.memory[..<size]), from: count)
    body(&writer)
    count = writer.count
  }

  mutating func send() -> Bool {
    let taken = unsafe pending.channel.send(
      UnsafeMutableRawBufferPointer(rebasing: buffer.memory[..<count]), to: pending.take())
    pending.channel.giveBack(buffer)
    return taken
  }

  mutating func fail(_ error: Errno) {
    pending.fail(error)
    pending.channel.giveBack(buffer)
  }
}
