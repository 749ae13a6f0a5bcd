import StrataPersistence
import StrataSystem
import Synchronization

/// How many users each layer has, by the creations of `use` and the removals of its directory.
///
/// Kept in the file `uses`, a line `<count> <base64 reference>/<digest>` each, written with every
/// change: the counts decide what is evicted first, and nothing else depends on them.
final class UseCounts: Sendable {
  private let path: RawPath
  private let counts: Mutex<[String: Int]>
  /// Held while the file is written, so that an older state never replaces a newer one.
  private let writing = Mutex<Void>(())

  /// Reads `uses` in the state directory; lines that are none are left out.
  init(_ state: RawPath) {
    path = state.appending("uses")
    var counts: [String: Int] = [:]
    if let bytes = try? FileDescriptor.workingDirectory.contents(of: path, limit: 64 << 20) {
      for line in bytes.split(separator: UInt8(ascii: "\n")) {
        let parts = String(decoding: line, as: UTF8.self).split(separator: " ", maxSplits: 1)
        guard parts.count == 2, let count = Int(parts[0]), count > 0 else { continue }
        counts[String(parts[1])] = count
      }
    }
    self.counts = Mutex(counts)
  }

  /// One user more of the layer at a path below the mount.
  func take(_ path: String) {
    counts.withLock { $0[path, default: 0] += 1 }
    save()
  }

  /// One user less; of an unknown one, nothing.
  func release(_ path: String) {
    let known = counts.withLock { counts in
      guard let count = counts[path] else { return false }
      counts[path] = count > 1 ? count - 1 : nil
      return true
    }
    if known { save() }
  }

  /// How many users a layer has.
  subscript(path: String) -> Int { counts.withLock { $0[path] ?? 0 } }

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
