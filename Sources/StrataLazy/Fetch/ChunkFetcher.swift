import StrataArchive
import StrataModel
import StrataSystem
import Synchronization

/// Fetches runs of chunks, verifies each, and puts them into the cache.
final class ChunkFetcher: Sendable {
  private let source: any LayerSource
  private let threads: WorkThreads
  private let options: LazyOptions
  private let log: StoreLog

  /// The most bytes between two missing chunks that are fetched and thrown away.
  private static let gap: Int64 = 64 << 10

  init(
    _ source: any LayerSource, _ threads: WorkThreads, _ options: LazyOptions, _ log: StoreLog
  ) {
    self.source = source
    self.threads = threads
    self.options = options
    self.log = log
  }

  /// The chunk and the missing ones behind it that are worth fetching with it, in blob order.
  ///
  /// The index's order is the TOC's, which writers keep in the order of the blob; where they do not,
  /// the run ends.
  func run(
    around number: Int, of tree: LayerTree, _ index: LayerIndex, _ urgency: FetchUrgency
  ) -> [Int] {
    guard let first = index.chunk(number), !first.isHole else { return [number] }
    let limit =
      urgency == .reader
      ? tree.window.withLock { $0.limit(for: first.extent) } : ReadWindow.smallest
    var numbers = [number]
    var end = first.extent.end
    var next = number + 1
    while let chunk = index.chunk(next) {
      if chunk.isHole {
        next += 1
        continue
      }
      guard chunk.extent.offset >= first.extent.offset, chunk.extent.offset - end <= Self.gap,
        chunk.extent.end - first.extent.offset <= limit
      else { break }
      if !tree.isPresent(next, index) {
        numbers.append(next)
        end = max(end, chunk.extent.end)
      }
      next += 1
    }
    tree.window.withLock { $0.fetched(to: end) }
    return numbers
  }

  /// Does a job; `finish` is called once for each of its chunks.
  func run(_ job: FetchJob, _ finish: @escaping @Sendable (Int, ChunkOutcome) -> Void) async {
    let chunks = job.numbers.compactMap { number in
      job.index.chunk(number).map { (number: number, chunk: $0) }
    }
    guard let start = chunks.map(\.chunk.extent.offset).min(),
      let end = chunks.map(\.chunk.extent.end).max(), start < end
    else {
      for number in job.numbers { finish(number, .failed(.inputOutputError)) }
      return
    }
    do throws(SourceError) {
      let answer = try await fetch(job, start..<end, [])
      let wrong = await threads.run { [self] in
        chunks.compactMap { number, chunk -> (number: Int, chunk: LayerChunk, why: StreamError)? in
          let from = Int(chunk.extent.offset - start)
          let bytes = answer.bytes.rawSpan.extracting(from..<(from + Int(chunk.extent.length)))
          do throws(StreamError) {
            finish(number, try take(bytes, chunk, number, job))
            return nil
          } catch { return (number, chunk, error) }
        }
      }
      for (number, chunk, why) in wrong {
        await retry(job, number, chunk, why, answer.mirror, finish)
      }
    } catch {
      log.write("\(job.tree.name): bytes \(start)..<\(end): \(error)", .error)
      job.tree.status.failed(with: error.message)
      for number in job.numbers { finish(number, .failed(.inputOutputError)) }
    }
  }

  private func fetch(
    _ job: FetchJob, _ range: Range<Int64>, _ distrusted: [String]
  ) async throws(SourceError) -> FetchedRange {
    var request = RangeRequest(
      job.tree.blob, range, urgency: job.urgency, deadline: job.deadline)
    request.distrusted = distrusted
    let answer = try await source.fetch(request)
    guard answer.bytes.count == range.count else {
      throw SourceError(
        .wrongRange, "\(answer.mirror): \(answer.bytes.count) bytes for \(range)")
    }
    job.tree.status.change {
      $0.requests += 1
      $0.fetchedBytes += Int64(answer.bytes.count)
      $0.mirror = answer.mirror
    }
    return answer
  }

  /// A chunk whose bytes were wrong is asked for of every other mirror, and of the last once more.
  private func retry(
    _ job: FetchJob, _ number: Int, _ chunk: LayerChunk, _ why: StreamError, _ mirror: String,
    _ finish: @escaping @Sendable (Int, ChunkOutcome) -> Void
  ) async {
    var (why, mirror) = (why, mirror)
    var distrusted: [String] = []
    while !distrusted.contains(mirror) {
      complain(job, number, chunk, why, mirror)
      distrusted.append(mirror)
      do throws(SourceError) {
        let range = chunk.extent.offset..<chunk.extent.end
        let answer = try await fetch(job, range, distrusted)
        let again = await threads.run { [self] () -> StreamError? in
          do throws(StreamError) {
            finish(number, try take(answer.bytes.rawSpan, chunk, number, job))
            return nil
          } catch { return error }
        }
        guard let again else { return }
        (why, mirror) = (again, answer.mirror)
      } catch {
        log.write("\(job.tree.name): chunk \(number): \(error)", .error)
        return finish(number, .failed(.inputOutputError))
      }
    }
    finish(number, .wrong)
  }

  private func complain(
    _ job: FetchJob, _ number: Int, _ chunk: LayerChunk, _ why: StreamError, _ mirror: String
  ) {
    let message =
      "wrong bytes from \(mirror): chunk \(number) at byte \(chunk.extent.offset): \(why)"
    log.write("\(job.tree.name): \(message)", .error)
    job.tree.status.change {
      $0.wrongChunks += 1
      $0.lastError = message
    }
  }

  /// Inflates a chunk, compares its digest, and gives it to the cache.
  ///
  /// `mismatch`, `malformed` and their kin for bytes that are not the chunk.
  private func take(
    _ bytes: RawSpan, _ chunk: LayerChunk, _ number: Int, _ job: FetchJob
  ) throws(StreamError) -> ChunkOutcome {
    let verified = try VerifiedChunk(chunk, from: bytes, job.index.header.facts.form)
    let outcome = try job.tree.store(verified, number, job.index)
    job.tree.status.change {
      $0.verifiedChunks += 1
      if case .uncached = outcome { $0.uncachedChunks += 1 }
    }
    return outcome
  }
}

/// How far ahead of a layer's readers chunks are fetched: 1 MiB, twice as much each time that a read
/// goes on where the last one ended, at most 8 MiB.
struct ReadWindow: Sendable {
  static let smallest: Int64 = 1 << 20
  private static let largest: Int64 = 8 << 20

  private var end: Int64 = -1
  private var size = smallest

  /// How many bytes to fetch for a reader of `extent`.
  mutating func limit(for extent: BlobRange) -> Int64 {
    let isNext = end >= 0 && extent.offset >= end && extent.offset - end <= 64 << 10
    size = isNext ? min(size * 2, Self.largest) : Self.smallest
    return size
  }

  mutating func fetched(to end: Int64) { self.end = end }
}
