import StrataDistribution
import StrataImage
import StrataModel
import StrataRegistry
import StrataStore
import StrataSystem

/// The blobs of an image on their way into files, several at a time.
///
/// Each can be read while it comes. `start` and `stop` are for the thread that imports, `source` for
/// those that read.
final class Downloads: Sendable {
  private let layers: [Descriptor]
  private let places: [Repository]
  private let folder: BlobFolder
  private let board: WaitingRoom<Board>

  init(_ layers: [Descriptor], from places: [Repository], folder: BlobFolder) {
    self.layers = layers
    self.places = places
    self.folder = folder
    board = WaitingRoom(
      Board(
        reached: Array(repeating: 0, count: layers.count),
        isComplete: Array(repeating: false, count: layers.count)))
  }

  /// Begins to read these blobs, in this order.
  func start(_ numbers: [Int]) throws(StoreError) {
    var jobs: [Job] = []
    let known = board.change { $0.parts }
    for number in numbers where known[number] == nil {
      let layer = layers[number]
      let part = try folder.part(layer.digest, size: layer.size)
      board.change {
        $0.parts[number] = part
        $0.reached[number] = part.start
      }
      jobs.append(Job(number: number, digest: layer.digest, size: layer.size, file: part))
    }
    if jobs.isEmpty { return }
    let board = board
    let places = places
    let queue = jobs
    let reading = Task.detached { await BlobReading.read(queue, places, board) }
    // Whoever waits looks now and then whether a signal has come.
    let ticking = Task.detached {
      while !Task.isCancelled {
        board.change { $0.ticks += 1 }
        try? await Task.sleep(for: .milliseconds(100))
      }
    }
    board.change { $0.tasks += [reading, ticking] }
  }

  /// The blob's bytes, as they come.
  func source(_ number: Int) throws(StoreError) -> any ByteSource {
    guard let part = board.change({ $0.parts[number] }) else {
      throw StoreError(.stream, "no such layer")
    }
    return ArrivingSource(number, layers[number], part, board)
  }

  /// How many bytes of each blob are here.
  var reached: [Int64] { board.change { $0.reached } }

  /// Whether a blob could not be read: then it is not its content that is wrong.
  var hasFailed: Bool { board.change { !$0.failures.isEmpty } }

  /// Ends all reading; who waits for more fails.
  func cancel() {
    let tasks = board.change { board in
      board.isStopped = true
      return board.tasks
    }
    for task in tasks { task.cancel() }
  }

  /// As `cancel`; blobs whose layers are done go, those that were cut stay for the next pull, unless
  /// nothing is to be kept.
  func stop(done: Set<Int>, keeping: Bool) {
    cancel()
    for (number, part) in board.change({ $0.parts }) where !keeping || done.contains(number) {
      part.remove()
    }
  }
}

/// How far each blob is.
private struct Board: Sendable {
  var reached: [Int64]
  var isComplete: [Bool]
  var failures: [Int: String] = [:]
  var parts: [Int: PartialBlob] = [:]
  var tasks: [Task<Void, Never>] = []
  var isStopped = false
  /// Counts up ten times a second while anything is under way.
  var ticks = 0
}

/// The bytes of a blob under way; who reads faster than they come waits for them.
private final class ArrivingSource: ByteSource {
  private let number: Int
  private let layer: Descriptor
  private let part: PartialBlob
  private let board: WaitingRoom<Board>
  private var position: Int64 = 0

  init(_ number: Int, _ layer: Descriptor, _ part: PartialBlob, _ board: WaitingRoom<Board>) {
    self.number = number
    self.layer = layer
    self.part = part
    self.board = board
  }

  func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    let end = try waitForMore()
    let wanted = Int(min(Int64(span.byteCount), end - position))
    if wanted <= 0 { return 0 }
    var front = span._mutatingExtracting(first: wanted)
    do throws(Errno) {
      let count = try part.file.view.read(into: &front, at: position)
      position += Int64(count)
      if count > 0 { return count }
    } catch {
      throw StreamError(error, "read blob \(layer.digest)")
    }
    throw StreamError(.unexpectedEnd, "read blob \(layer.digest): unexpected EOF")
  }

  /// The offset up to which bytes are here: more than were read, unless the blob is at its end.
  private func waitForMore() throws(StreamError) -> Int64 {
    var ticks: Int?
    while true {
      let state = board.wait { board -> Arrival? in
        if board.reached[number] > position { return .here(board.reached[number]) }
        if board.isComplete[number] { return .here(board.reached[number]) }
        if let failure = board.failures[number] { return .failed(failure) }
        if board.isStopped { return .failed("stopped: another layer has failed") }
        if let ticks, ticks == board.ticks { return nil }
        return .waiting(board.ticks)
      }
      switch state {
      case .here(let end): return end
      case .failed(let failure): throw StreamError(.unexpectedEnd, failure)
      case .waiting(let now): ticks = now
      }
      try Interruption.checkStream()
    }
  }

  private enum Arrival {
    case here(Int64)
    case failed(String)
    case waiting(Int)
  }
}

/// One blob to be read.
private struct Job: Sendable {
  let number: Int
  let digest: Digest
  let size: Int64
  let file: PartialBlob
}

/// What the tasks do.
private enum BlobReading {
  /// As many as podman reads at once.
  private static let parallel = 6

  /// Reads blobs, a few at a time.
  static func read(
    _ jobs: [Job], _ places: [Repository], _ board: WaitingRoom<Board>
  ) async {
    await withTaskGroup(of: Void.self) { group in
      for (count, job) in jobs.enumerated() {
        if count >= parallel { await group.next() }
        group.addTask { await run(job, places, board) }
      }
    }
  }

  /// Reads one blob from the first place that has it; where one fails the next goes on.
  private static func run(
    _ job: Job, _ places: [Repository], _ board: WaitingRoom<Board>
  ) async {
    var part = BlobPart(job.digest, size: job.size, range: job.file.start..<job.size)
    var failures: [String] = []
    for place in places {
      if Task.isCancelled { return }
      do {
        var position = part.next
        try await place.read(&part) { piece in
          do throws(Errno) {
            try job.file.file.view.writeAll(piece, at: position)
          } catch {
            throw StreamError(error, "write a blob under way")
          }
          position += Int64(piece.byteCount)
          board.change { $0.reached[job.number] = position }
        }
        board.change { $0.isComplete[job.number] = true }
        return
      } catch {
        failures.append("\(error)")
      }
    }
    // Cancelled is not failed: whoever waits learns of it by the board.
    if Task.isCancelled { return }
    board.change { $0.failures[job.number] = failures.joined(separator: "; ") }
  }
}
