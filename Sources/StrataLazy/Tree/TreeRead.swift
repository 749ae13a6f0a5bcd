import StrataFUSE
import StrataModel
import StrataSystem
import Synchronization

extension LayerTree {
  /// Answers a READ: at once where all of it is in the cache, else when the missing chunks have come.
  func read(
    _ entry: UInt32, _ index: LayerIndex, at offset: Int64, count: Int,
    _ reply: consuming DataReply
  ) {
    let chunks = index.chunks(of: entry)
    guard count > 0, let first = index.chunk(of: entry, holding: offset) else {
      // Behind the end, or an empty file.
      return reply.send([UInt8]().rawSpan)
    }
    let last =
      index.chunk(of: entry, holding: offset + Int64(count) - 1) ?? (chunks.upperBound - 1)
    let wanted = first..<(last + 1)
    context.recorder.note(slot, wanted)
    if let content = contents[entry] {
      return serve(content, index, wanted, offset, count, reply)
    }
    // Opening may hash the file once after a boot, which is no work for the thread that reads requests.
    let deferred = DeferredReply(reply)
    context.threads.add { [self] in
      guard let reply = deferred.take() else { return }
      do throws(StreamError) {
        guard let content = try content(of: entry, index) else {
          return reply.fail(.inputOutputError)
        }
        serve(content, index, wanted, offset, count, reply)
      } catch {
        context.log.write("\(name): entry \(entry): \(error)", .error)
        status.failed(with: error.message)
        reply.fail(.inputOutputError)
      }
    }
  }

  private func serve(
    _ content: TreeContent, _ index: LayerIndex, _ wanted: Range<Int>, _ offset: Int64,
    _ count: Int, _ reply: consuming DataReply
  ) {
    if let file = content.descriptor(for: wanted) {
      return reply.send(from: file.view, at: offset)
    }
    // One more than are missing, so that the answer is given once, below, where none are.
    let missing = wanted.filter { index.chunk($0)?.isHole == false && !content.isPresent($0) }
    let read = ParkedRead(
      content, wanted: wanted, missing: missing.count + 1, offset: offset, count: count, reply)
    for number in missing {
      context.gate.want(number, of: self, index, .reader) { outcome in
        read.take(number, outcome)
      }
    }
    read.take(wanted.lowerBound, .stored)
  }
}

/// A READ that waits for chunks.
private final class ParkedRead: Sendable {
  private struct State {
    var missing: Int
    /// Chunks that the cache did not take.
    var inMemory: [Int: [UInt8]] = [:]
    var error: Errno?
  }

  private let content: TreeContent
  private let wanted: Range<Int>
  private let offset: Int64
  private let count: Int
  private let reply: DeferredReply<DataReply>
  private let state: Mutex<State>

  init(
    _ content: TreeContent, wanted: Range<Int>, missing: Int, offset: Int64, count: Int,
    _ reply: consuming DataReply
  ) {
    self.content = content
    self.wanted = wanted
    self.offset = offset
    self.count = count
    self.reply = DeferredReply(reply)
    state = Mutex(State(missing: missing))
  }

  /// One of the missing chunks has come; the last answers.
  func take(_ number: Int, _ outcome: ChunkOutcome) {
    let done = state.withLock { state -> State? in
      switch outcome {
      case .stored: break
      case .uncached(let bytes): state.inMemory[number] = bytes
      case .failed(let error): state.error = error
      case .wrong: state.error = .inputOutputError
      }
      state.missing -= 1
      return state.missing == 0 ? state : nil
    }
    guard let done, let reply = reply.take() else { return }
    if let error = done.error { return reply.fail(error) }
    if done.inMemory.isEmpty, let file = content.descriptor(for: wanted) {
      return reply.send(from: file.view, at: offset)
    }
    do throws(Errno) {
      let bytes = try assemble(done.inMemory)
      reply.send(bytes.rawSpan)
    } catch { reply.fail(error) }
  }

  /// The bytes of the read, from memory and from the cache.
  private func assemble(_ inMemory: [Int: [UInt8]]) throws(Errno) -> [UInt8] {
    var result: [UInt8] = []
    let end = min(offset + Int64(count), content.payload.size)
    for number in wanted {
      let chunk = content.payload.chunks[number - content.chunks.lowerBound]
      let from = max(offset, chunk.fileOffset)
      let to = min(end, chunk.fileOffset + chunk.length)
      guard from < to else { continue }
      if chunk.isHole {
        result += [UInt8](repeating: 0, count: Int(to - from))
      } else if let bytes = inMemory[number] {
        result += bytes[Int(from - chunk.fileOffset)..<Int(to - chunk.fileOffset)]
      } else {
        guard let file = content.descriptor(for: number..<(number + 1)) else {
          throw .inputOutputError
        }
        result += try file.view.bytes(Int(to - from), at: from)
      }
    }
    return result
  }
}
