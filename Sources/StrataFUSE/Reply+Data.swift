package import StrataSystem

/// Bytes: of a READ, or the target of a symbolic link.
package struct DataReply: ~Copyable, Sendable {
  var pending: PendingReply
  /// The most bytes that the kernel takes.
  package let limit: Int

  /// Sends at most `limit` of the bytes.
  package consuming func send(_ bytes: RawSpan) {
    let unique = pending.take()
    _ = pending.channel.send(bytes.extracting(first: limit), to: unique)
  }

  /// A link's target.
  package consuming func send(_ target: RawPath) {
    let limit = limit
    _ = pending.send(size: min(target.count, limit)) { $0.put(target.bytes.prefix(limit)) }
  }

  /// Reads up to `limit` bytes of the file at `offset` into memory kept for that and sends them;
  /// the file's error goes to the caller as what `failed` makes of it.
  package consuming func send(
    from file: FileDescriptor, at offset: Int64, failed: (Errno) -> Errno = { $0 }
  ) {
    let channel = pending.channel
    if spliced(file, at: offset) { return }
    let buffer = channel.takeBuffer()
    do throws(Errno) {
      let head = WireWriter.headerSize
      let size = unsafe min(limit, buffer.memory.count - head)
      let target = unsafe UnsafeMutableRawBufferPointer(
        rebasing: buffer.memory[head..<(head + size)])
      var span = unsafe target.mutableBytes
      let count = try file.read(into: &span, at: offset)
      _ = unsafe channel.send(
        UnsafeMutableRawBufferPointer(rebasing: buffer.memory[..<(head + count)]),
        to: pending.take())
    } catch {
      pending.fail(failed(error))
    }
    channel.giveBack(buffer)
  }

  /// Sends much by way of a pipe; false if nothing was sent.
  private mutating func spliced(_ file: FileDescriptor, at offset: Int64) -> Bool {
    guard limit >= Self.spliceSize, let size = try? file.status().size else { return false }
    let count = Int(clamping: min(Int64(limit), size - offset))
    guard count >= Self.spliceSize else { return false }
    switch pending.channel.splice(file, at: offset, count: count, to: pending.number) {
    case .unable: return false
    case .sent, .refused:
      _ = pending.take()
      return true
    }
  }

  /// For less than this the copy costs less than the calls that save it.
  private static let spliceSize = 32 << 10

  package consuming func fail(_ error: Errno) { pending.fail(error) }

  package consuming func answer(_ body: () throws(Errno) -> RawPath) {
    do throws(Errno) {
      send(try body())
    } catch { fail(error) }
  }
}

/// The value of an extended attribute, or the list of names; knows the size that the caller gave
/// (0: it asks for the size only) and answers ERANGE where that is too small.
package struct XattrReply: ~Copyable, Sendable {
  var pending: PendingReply
  let size: Int

  package consuming func send(_ value: [UInt8]) {
    if size == 0 {
      _ = pending.send(size: 8) {
        $0.put(UInt32(value.count))
        $0.put(UInt32(0))
      }
    } else if value.count > size {
      pending.fail(.outOfRange)
    } else {
      _ = pending.send(size: value.count) { $0.put(value[...]) }
    }
  }

  /// The names of all attributes, each closed by a NUL on the wire.
  package consuming func send(names: [RawPath]) {
    var list: [UInt8] = []
    for name in names {
      list.append(contentsOf: name.bytes)
      list.append(0)
    }
    send(list)
  }

  package consuming func fail(_ error: Errno) { pending.fail(error) }

  package consuming func answer(_ body: () throws(Errno) -> [UInt8]) {
    do throws(Errno) {
      send(try body())
    } catch { fail(error) }
  }

  package consuming func answer(names body: () throws(Errno) -> [RawPath]) {
    do throws(Errno) {
      send(names: try body())
    } catch { fail(error) }
  }
}
