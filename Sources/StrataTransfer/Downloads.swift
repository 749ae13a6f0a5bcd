import StrataDistribution
import StrataImage
import StrataModel
import StrataRegistry
import StrataStore
import StrataSystem

/// The blobs of an image on their way into files, several at a time.
///
/// Used by the thread that imports. It waits for a blob before its layer is begun, so that no lock of the
/// store is held while the network is slow.
final class Downloads {
  private let layers: [Descriptor]
  private let places: [Repository]
  private let folder: BlobFolder
  private let board: WaitingRoom<Board>
  private var parts: [Int: PartialBlob] = [:]
  private var tasks: [Task<Void, Never>] = []
  /// Told of what has come while a blob is waited for.
  var onProgress: ((Int, Int64) -> Void)?

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
    for number in numbers where parts[number] == nil {
      let layer = layers[number]
      let part = try folder.part(layer.digest, size: layer.size)
      parts[number] = part
      board.change { $0.reached[number] = part.start }
      jobs.append(Job(number: number, digest: layer.digest, size: layer.size, file: part))
    }
    if jobs.isEmpty { return }
    let board = board
    let places = places
    let queue = jobs
    tasks.append(Task.detached { await BlobReading.read(queue, places, board) })
    // Whoever waits looks now and then whether a signal has come.
    tasks.append(
      Task.detached {
        while !Task.isCancelled {
          board.change { $0.ticks += 1 }
          try? await Task.sleep(for: .milliseconds(100))
        }
      })
  }

  /// The blob's bytes, once they are all there.
  func source(_ number: Int) throws(StoreError) -> any ByteSource {
    try start([number])
    var ticks = -1
    while true {
      let now = board.wait { board -> Board? in
        let isOver = board.isComplete[number] || board.failures[number] != nil
        return isOver || board.ticks != ticks ? board : nil
      }
      ticks = now.ticks
      for (other, bytes) in now.reached.enumerated() { onProgress?(other, bytes) }
      if let failure = now.failures[number] { throw StoreError(.stream, failure) }
      if now.isComplete[number] { break }
      do throws(Errno) { try Interruption.check() } catch {
        throw StoreError(.system(error.rawValue), "stopped by a signal")
      }
    }
    guard let part = parts[number] else { throw StoreError(.stream, "no such layer") }
    return RangeSource(
      part.file, 0..<layers[number].size, name: "blob \(layers[number].digest)")
  }

  /// Whether a blob could not be read: then it is not its content that is wrong.
  var hasFailed: Bool { board.wait { !$0.failures.isEmpty } }

  /// Ends all reading.
  ///
  /// Blobs whose layers are done go; those that were cut stay for the next pull, unless
  /// nothing is to be kept.
  func stop(done: Set<Int>, keeping: Bool) {
    for task in tasks { task.cancel() }
    for (number, part) in parts where !keeping || done.contains(number) { part.remove() }
  }
}

/// How far each blob is.
private struct Board: Sendable {
  var reached: [Int64]
  var isComplete: [Bool]
  var failures: [Int: String] = [:]
  /// Counts up ten times a second while anything is under way.
  var ticks = 0
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
    board.change { $0.failures[job.number] = failures.joined(separator: "; ") }
  }
}
