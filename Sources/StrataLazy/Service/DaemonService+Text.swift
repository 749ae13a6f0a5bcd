import StrataFUSE
import StrataJSON
import StrataModel
import StrataSystem

/// The state as JSON, for `strata-lazy status` and other programs.
extension DaemonService {
  func status() -> [UInt8] {
    let cache = store.cacheCounts
    let images = store.imageReports().map { image in
      JSONValue.members([
        ("reference", .string(image.reference)), ("layers", .array(image.layers.map(Self.json))),
      ])
    }
    return JSONValue.members([
      ("mountPoint", .string(mountPoint.description)), ("worker", .integer(processID)),
      ("workerStarts", .integer(journal.starts)),
      ("waitingRequests", .integer(journal.waitingCount)),
      (
        "cache",
        .members([
          ("heldBytes", .integer(cache.heldBytes)),
          ("limitBytes", cache.limitBytes.map { .integer($0) } ?? .null),
          ("bytesOverLimit", .integer(cache.bytesOverLimit)),
          ("evictedFiles", .integer(cache.evictedFiles)),
          ("evictedBytes", .integer(cache.evictedBytes)),
          ("unkeptChunks", .integer(cache.unkeptChunks)),
        ])
      ),
      ("images", .array(images)),
    ]).encoded(escapesHTML: false)
  }

  private static func json(_ layer: LayerReport) -> JSONValue {
    var members: [(String, JSONValue)] = [
      ("digest", .string(layer.key.description)), ("uses", .integer(layer.uses)),
      ("isLazy", .bool(layer.lazy != nil)),
    ]
    guard let lazy = layer.lazy else { return .members(members) }
    let counts = lazy.counts
    members += [
      ("blobDigest", .string(lazy.blob.description)),
      ("tocDigest", .string(lazy.toc.description)), ("blobBytes", .integer(lazy.size)),
      ("state", .string(lazy.state)), ("isVerified", .bool(counts.isVerified)),
      ("fetchedBytes", .integer(counts.fetchedBytes)), ("requests", .integer(counts.requests)),
      ("payloadBytes", lazy.payloadBytes.map { .integer($0) } ?? .null),
      ("cachedBytes", lazy.cachedBytes.map { .integer($0) } ?? .null),
      ("verifiedChunks", .integer(counts.verifiedChunks)),
      ("wrongChunks", .integer(counts.wrongChunks)),
      ("uncachedChunks", .integer(counts.uncachedChunks)), ("mirror", .string(counts.mirror)),
      ("lastError", .string(counts.lastError)),
    ]
    return .members(members)
  }
}

/// The counters in the text form of Prometheus (exposition format 0.0.4): what costs no look at the disk.
extension DaemonService {
  func metrics() -> [UInt8] {
    var text = MetricsText(prefix: "strata_lazy_")
    text.add("worker_starts_total", .counter, "Workers that served this mount.", journal.starts)
    text.add(
      "waiting_requests", .gauge, "Requests of the kernel without an answer.",
      journal.waitingCount)
    text.add(
      "requests_total", .counter, "Requests of the kernel since the worker's start.",
      session.requestCounts.map { ([("operation", $0.name)], Int64(clamping: $0.count)) })
    let cache = store.cacheCounts
    text.add("cache_held_bytes", .gauge, "What the cache holds.", cache.heldBytes)
    if let limit = cache.limitBytes {
      text.add("cache_limit_bytes", .gauge, "What the cache may hold.", limit)
    }
    text.add(
      "cache_over_limit_bytes", .gauge, "What open files need beyond the limit.",
      cache.bytesOverLimit)
    text.add("cache_evicted_files_total", .counter, "Files let go.", cache.evictedFiles)
    text.add("cache_evicted_bytes_total", .counter, "Bytes let go.", cache.evictedBytes)
    text.add(
      "cache_unkept_chunks_total", .counter, "Chunks that the disk had no room for.",
      cache.unkeptChunks)
    addLayers(&text)
    return text.bytes
  }

  private func addLayers(_ text: inout MetricsText) {
    let layers = store.trees.all.map { tree in
      (
        labels: [("image", tree.blob.reference), ("layer", tree.blob.digest.description)],
        size: tree.blob.size, counts: tree.status.current, seen: tree.contents.seenCount
      )
    }
    func add(
      _ name: String, _ kind: MetricsText.Kind, _ help: String,
      _ value: (TreeStatus.Counts) -> Int64
    ) {
      text.add(name, kind, help, layers.map { ($0.labels, value($0.counts)) })
    }
    text.add(
      "layer_size_bytes", .gauge, "The blob's size.", layers.map { ($0.labels, $0.size) })
    text.add(
      "layer_seen_chunks", .gauge, "Chunks that are known to be in the cache.",
      layers.map { ($0.labels, Int64($0.seen)) })
    add("layer_fetched_bytes_total", .counter, "Bytes that came from registries.") {
      $0.fetchedBytes
    }
    add("layer_fetches_total", .counter, "Requests to registries.") { Int64($0.requests) }
    add("layer_verified_chunks_total", .counter, "Chunks whose digest was right.") {
      Int64($0.verifiedChunks)
    }
    add("layer_wrong_chunks_total", .counter, "Chunks whose digest was wrong.") {
      Int64($0.wrongChunks)
    }
    add("layer_verified", .gauge, "1 where the whole blob was verified.") {
      $0.isVerified ? 1 : 0
    }
  }
}
