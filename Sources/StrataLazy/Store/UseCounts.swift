import StrataPersistence
package import StrataSystem
import Synchronization

/// How many users each layer has, by the creations of `use` and the removals of its directory.
///
/// Kept in the file `uses`, a line `<count> <base64 reference>/<digest>` each, written with every
/// change: the counts decide what is evicted first, and nothing else depends on them. While a mount
/// lives the holder's memory has them too, and is right where the two differ.
package final class UseCounts: Sendable {
  private let path: RawPath
  private let ledger: UseLedger?
  private let counts: Mutex<[String: Int]>
  /// Held while the file is written, so that an older state never replaces a newer one.
  private let writing = Mutex<Void>(())

  /// A layer that users count: its path below the mount, and its slot.
  package struct Layer: Sendable {
    package var path: String
    package var slot: UInt32

    package init(path: String, slot: UInt32) {
      self.path = path
      self.slot = slot
    }
  }

  /// Reads `uses` in the state directory; lines that are none are left out.
  ///
  /// `layers` are those that the ledger may know.
  package init(_ state: RawPath, _ ledger: UseLedger? = nil, layers: [Layer] = []) {
    path = state.appending("uses")
    self.ledger = ledger
    var counts: [String: Int] = [:]
    if let bytes = try? FileDescriptor.workingDirectory.contents(of: path, limit: 64 << 20) {
      for line in bytes.split(separator: UInt8(ascii: "\n")) {
        let parts = String(decoding: line, as: UTF8.self).split(separator: " ", maxSplits: 1)
        guard parts.count == 2, let count = Int(parts[0]), count > 0 else { continue }
        counts[String(parts[1])] = count
      }
    }
    for layer in layers {
      guard let entry = ledger?[layer.slot] else { continue }
      counts[layer.path] = entry.count > 0 ? entry.count : nil
    }
    self.counts = Mutex(counts)
  }

  /// One user more; `request` is the number of the request that says so, which counts once.
  package func take(_ layer: Layer, request: UInt64 = 0) {
    change(layer, request) { $0 + 1 }
  }

  /// One user less; of one that nobody uses, nothing.
  package func release(_ layer: Layer, request: UInt64 = 0) {
    change(layer, request) { max(0, $0 - 1) }
  }

  private func change(_ layer: Layer, _ request: UInt64, _ change: (Int) -> Int) {
    let isChanged = counts.withLock { counts in
      // A request that the worker before this one has counted and not answered.
      if let entry = ledger?[layer.slot], entry.isLast(request) { return true }
      let old = counts[layer.path] ?? 0
      let new = change(old)
      ledger?.set(layer.slot, count: new, request: request)
      counts[layer.path] = new > 0 ? new : nil
      return new != old
    }
    if isChanged { save() }
  }

  /// How many users a layer has.
  package subscript(path: String) -> Int { counts.withLock { $0[path] ?? 0 } }

  /// The paths of all layers that have users.
  var paths: [String] { counts.withLock { Array($0.keys) } }

  private func save() {
    writing.withLock { _ in
      let counts = counts.withLock { $0 }
      let text = counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)\n" }.joined()
      // A full disk costs the order of eviction, no answer.
      _ = try? AtomicFile.write(Array(text.utf8), to: path, synchronize: false)
    }
  }
}
