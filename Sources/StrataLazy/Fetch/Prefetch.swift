import StrataArchive
import StrataModel
import StrataSystem
import Synchronization

/// Fetches what the start of an image is known to need before anybody asks for it: what a recorded run
/// read, else what lies before the landmark that the image's maker has set.
///
/// A layer at most once in a worker's life, at most 64 MiB or 10 seconds of it (lazy-design section 7).
final class Prefetch: Sendable {
  private let layers: RawPath
  private let log: StoreLog
  private let begun = Mutex<Set<UInt32>>([])

  private static let bytes: Int64 = 64 << 20
  private static let time: UInt64 = 10_000_000_000
  /// Requests for one layer at a time: more would keep those of other layers waiting.
  private static let width = 2

  /// `layers` is the folder of the layers' folders.
  init(layers: RawPath, _ log: StoreLog) {
    self.layers = layers
    self.log = log
  }

  /// Begins, once a layer.
  func begin(_ tree: LayerTree, _ index: LayerIndex) {
    guard begun.withLock({ $0.insert(tree.slot).inserted }) else { return }
    let numbers = numbers(tree, index)
    if numbers.isEmpty { return }
    Task { [weak tree] in
      guard let tree else { return }
      await Self.fetch(numbers, of: tree, index)
    }
  }

  private func numbers(_ tree: LayerTree, _ index: LayerIndex) -> [Int] {
    if let recorded = AccessOrder.read(layers.appending(RawPath(tree.toc.hex))) {
      log.write("\(tree.name): prefetch of \(recorded.count) recorded chunks", .debug)
      return recorded
    }
    let header = index.header
    guard !header.prefetchesNothing, let end = header.prefetchEnd else { return [] }
    return (0..<index.chunkCount).filter { number in
      index.chunk(number).map { !$0.isHole && $0.extent.end <= end } ?? false
    }
  }

  private static func fetch(_ numbers: [Int], of tree: LayerTree, _ index: LayerIndex) async {
    let end = monotonicNanoseconds() + time
    var left = bytes
    await withTaskGroup(of: Void.self) { group in
      var running = 0
      for number in numbers {
        guard left > 0, monotonicNanoseconds() < end else { break }
        guard let chunk = index.chunk(number), !chunk.isHole,
          !tree.context.gate.isUnderWay(number, of: tree), !tree.isPresent(number, index)
        else { continue }
        if running == width {
          await group.next()
          running -= 1
        }
        await tree.context.pace.take(Int(chunk.extent.length))
        left -= chunk.extent.length
        running += 1
        group.addTask {
          await withCheckedContinuation { continuation in
            tree.context.gate.want(number, of: tree, index, .prefetch) { _ in
              continuation.resume()
            }
          }
        }
      }
    }
  }
}
