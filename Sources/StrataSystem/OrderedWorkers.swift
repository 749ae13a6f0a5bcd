import Glibc

/// Makes one block of another; each thread has one of its own.
package protocol BlockTransform: AnyObject {
  /// Replaces the content of `output` by what becomes of `input`; the number goes with the block.
  func transform(_ input: RawSpan, into output: ByteBuffer) throws(StreamError) -> UInt64
}

/// Transforms blocks on several threads and gives the results in the order in which the blocks came.
///
/// Blocks and results live in a fixed set of reused buffers, so that memory is bounded however fast
/// the one side or slow the other. All methods are for one thread, the owner's.
@safe
package final class OrderedWorkers {
  private final class Job {
    let input: ByteBuffer
    let output: ByteBuffer
    var number: UInt64 = 0
    var error: StreamError?

    init(_ inputSize: Int, _ outputSize: Int) {
      input = ByteBuffer(capacity: inputSize)
      output = ByteBuffer(capacity: outputSize)
    }
  }

  private struct Desk {
    var waiting: [(place: Int, job: Job)] = []
    var done: [Int: Job] = [:]
    var isStopped = false
  }

  private let desk = Monitor(Desk())
  private var threads: [WorkerThread] = []
  private var idle: [Job]
  /// How many blocks were given out and taken back.
  private var given = 0
  private var taken = 0

  /// How many threads are worth it on this machine: its cores, at most 8, so that memory stays small.
  package static var preferredCount: Int { max(1, min(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 8)) }

  /// Starts `count` threads; `make` is called once for each.
  package init(
    count: Int, inputSize: Int, outputSize: Int,
    _ make: () throws(StreamError) -> any BlockTransform
  ) throws(StreamError) {
    idle = (0..<(count + 2)).map { _ in Job(inputSize, outputSize) }
    for _ in 0..<count {
      // The thread alone uses the transform.
      let transform = Transferred(try make())
      let desk = desk
      do throws(Errno) {
        threads.append(WorkerThread(try JoinableThread { Self.run(transform.value, desk) }))
      } catch {
        // With fewer threads than wished for it is slower, with none impossible.
        if threads.isEmpty { throw StreamError(error, "start a thread") }
        break
      }
    }
  }

  deinit { desk.change { $0.isStopped = true } }

  /// Whether `give` can be called without taking a result first.
  package var hasRoom: Bool { !idle.isEmpty }

  /// Whether a result is still to be taken.
  package var isBusy: Bool { taken < given }

  /// Hands the content of `block` over to the threads.
  package func give(_ block: RawSpan) {
    guard let job = idle.popLast() else { return }
    job.input.clear()
    job.input.append(block)
    let place = given
    given += 1
    desk.change { $0.waiting.append((place, job)) }
  }

  /// Lets `use` see the next result, with the number that goes with it; waits for it.
  package func take(
    _ use: (RawSpan, UInt64) throws(StreamError) -> Void
  ) throws(StreamError) {
    guard isBusy else { return }
    let place = taken
    let job = desk.wait { $0.done.removeValue(forKey: place) }
    taken += 1
    idle.append(job)
    if let error = job.error { throw error }
    try job.output.withBytes { (bytes) throws(StreamError) in try use(bytes, job.number) }
  }

  private static func run(_ transform: any BlockTransform, _ desk: Monitor<Desk>) {
    while true {
      let next = desk.wait { desk -> (place: Int, job: Job)?? in
        if desk.isStopped { return .some(nil) }
        return desk.waiting.isEmpty ? nil : .some(desk.waiting.removeFirst())
      }
      guard let (place, job) = next else { return }
      job.error = nil
      do throws(StreamError) {
        job.number = try job.input.withBytes { (bytes) throws(StreamError) -> UInt64 in
          try transform.transform(bytes, into: job.output)
        }
      } catch {
        job.error = error
      }
      desk.change { $0.done[place] = job }
    }
  }
}

/// A thread in a list: what is not copyable cannot be in one.
final class WorkerThread {
  private let thread: JoinableThread

  init(_ thread: consuming JoinableThread) { self.thread = thread }
}
