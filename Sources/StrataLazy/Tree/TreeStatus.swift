import Synchronization

/// What `status` says of a layer, counted since the worker's start.
final class TreeStatus: Sendable {
  struct Counts: Sendable {
    /// Bytes that came from the source, and the requests for them.
    var fetchedBytes: Int64 = 0
    var requests = 0
    /// Chunks whose digest was right, and wrong.
    var verifiedChunks = 0
    var wrongChunks = 0
    /// Chunks that were served and found no room in the cache.
    var uncachedChunks = 0
    /// Who sent the last bytes.
    var mirror = ""
    var lastError = ""
    /// Whether blob, TOC and diff ID are known to belong together.
    var isVerified = false
    /// The size of the plain tar, when it is known.
    var plainSize: Int64?
  }

  private let counts = Mutex(Counts())

  var current: Counts { counts.withLock { $0 } }

  func failed(with message: String) { counts.withLock { $0.lastError = message } }

  func change(_ body: (inout Counts) -> Void) { counts.withLock { body(&$0) } }
}
