import StrataArchive
import StrataCompression
import StrataDigest
import StrataModel
import StrataSystem
import Synchronization

/// Reads the whole blob of a layer once, in the background: fills what the cache lacks, and finds out
/// whether blob, TOC and diff ID belong together.
///
/// A manifest may pair the digest of a well-known blob with a TOC of its own: such a layer is condemned,
/// and every read of it is an error from then on (lazy-design section 8).
final class Completion: Sendable {
  private let source: any LayerSource
  private let layers: RawPath
  private let log: StoreLog
  /// Layers under way or done, by tree and diff ID.
  private let begun = Mutex<Set<Claim>>([])
  /// One blob at a time: the network is the bottleneck, and readers go before.
  private let turn = Turn()

  private struct Claim: Hashable, Sendable {
    var slot: UInt32
    var diffID: Digest
  }

  /// `layers` is the folder of the layers' folders.
  init(_ source: any LayerSource, layers: RawPath, _ log: StoreLog) {
    self.source = source
    self.layers = layers
    self.log = log
  }

  private func folder(_ toc: Digest) -> RawPath { layers.appending(RawPath(toc.hex)) }

  /// What is known of a claim from an earlier reading.
  func binding(_ claim: LayerClaim) -> Binding? {
    guard let toc = claim.chunked?.tocDigest else { return nil }
    return Bindings.read(folder(toc)).first {
      $0.blob == claim.descriptor.digest && $0.toc == toc && $0.diffID == claim.diffID
    }
  }

  /// Begins to complete a layer, once.
  func begin(_ tree: LayerTree, _ index: LayerIndex, _ claim: LayerClaim) {
    let key = Claim(slot: tree.slot, diffID: claim.diffID)
    guard begun.withLock({ $0.insert(key).inserted }) else { return }
    Task { [self] in
      await turn.take()
      // Wrong bytes may be one mirror's, once.
      var isDone = await complete(tree, index, claim, isLast: false)
      if isDone == nil { isDone = await complete(tree, index, claim, isLast: true) }
      await turn.give()
      // One that broke off may be begun again by the next lookup.
      if isDone != true { begun.withLock { _ = $0.remove(key) } }
    }
  }

  /// False where the source broke off or the disk failed; nil where it is to be tried once more.
  private func complete(
    _ tree: LayerTree, _ index: LayerIndex, _ claim: LayerClaim, isLast: Bool
  ) async -> Bool? {
    let queue = PieceQueue(limit: 8)
    let filled = Task {
      await tree.context.threads.run { [self] in
        let result = read(queue, tree, index, claim)
        queue.close()
        return result
      }
    }
    do throws(SourceError) {
      let mirror = try await source.stream(claim.blob, from: 0, urgency: .background) { piece in
        tree.status.change { $0.fetchedBytes += Int64(piece.count) }
        return await queue.put(piece)
      }
      tree.status.change {
        $0.requests += 1
        $0.mirror = mirror
      }
      queue.finish()
    } catch {
      queue.finish(StreamError(.system(error.errno), error.message))
      _ = await filled.value
      log.write("\(tree.name): background: \(error)", .warning)
      tree.status.failed(with: error.message)
      return false
    }
    switch await filled.value {
    case .success(let size):
      tree.status.change {
        $0.isVerified = true
        $0.plainSize = size
      }
      log.write("\(tree.name): complete and verified, \(size) bytes", .info)
      return true
    case .failure(let error):
      tree.status.failed(with: error.message)
      switch error.kind {
      case .mismatch, .malformed, .unexpectedEnd:
        guard isLast else { return nil }
      default:
        log.write("\(tree.name): background: \(error)", .warning)
        return false
      }
      log.write("\(tree.name): condemned, delete the image: \(error)", .error)
      tree.condemn()
      return true
    }
  }

  /// Runs on a thread: the size of the tar, or why the layer is not what it claims to be.
  private func read(
    _ source: any ByteSource, _ tree: LayerTree, _ index: LayerIndex, _ claim: LayerClaim
  ) -> Result<Int64, StreamError> {
    do throws(StreamError) {
      let blob = DigestingSource(source, claim.descriptor.digest.algorithm)
      let plain = DigestingSource(try DecompressingSource(blob), claim.diffID.algorithm)
      let tar = TarReader(plain)
      while let header = try tar.next() {
        guard header.size > 0, let entry = entry(of: header, index) else { continue }
        try keep(tar, entry, header.size, tree, index)
      }
      try tar.drain()
      let rest = ByteBuffer(capacity: 1 << 16)
      while try blob.fill(rest) {}
      guard blob.byteCount == claim.descriptor.size, blob.digest() == claim.descriptor.digest else {
        throw StreamError(
          .mismatch, "the blob's digest is \(blob.digest()), its size \(blob.byteCount)")
      }
      guard plain.digest() == claim.diffID else {
        throw StreamError(.mismatch, "the diff ID is \(plain.digest()), not \(claim.diffID)")
      }
      try check(tree, index)
      do throws(StoreError) {
        try Bindings.add(
          Binding(
            blob: claim.descriptor.digest, toc: tree.toc, diffID: claim.diffID,
            plainSize: plain.byteCount),
          to: folder(tree.toc))
      } catch {
        log.write("\(tree.name): \(error)", .warning)
      }
      return .success(plain.byteCount)
    } catch { return .failure(error) }
  }

  /// The regular file that an entry of the tar is in the index, unless another row took its name.
  private func entry(of header: TarHeader, _ index: LayerIndex) -> UInt32? {
    var entry = LayerIndex.root
    for part in RawPath(header.name).components where part != "." {
      guard let next = index.lookup(part, in: entry) else { return nil }
      entry = next
    }
    guard let found = index.attributes(entry), found.type == .regular, found.size == header.size
    else { return nil }
    return entry
  }

  /// Cuts a file's body into its chunks and keeps those that are right and not there.
  private func keep(
    _ tar: TarReader, _ entry: UInt32, _ size: Int64, _ tree: LayerTree, _ index: LayerIndex
  ) throws(StreamError) {
    let numbers = index.chunks(of: entry)
    if numbers.allSatisfy({ tree.isPresent($0, index) }) { return }
    let body = tar.body
    for number in numbers {
      guard let chunk = index.chunk(number), chunk.length <= LayerLimit.chunkBytes else { return }
      let buffer = ByteBuffer(capacity: Int(chunk.length))
      while buffer.count < Int(chunk.length) {
        let before = buffer.count
        try buffer.append { (span: inout MutableRawSpan) throws(StreamError) -> Int in
          try body.read(into: &span)
        }
        if buffer.count == before { return }
      }
      if chunk.isHole { continue }
      // A name that came twice has other bytes the first time: not this one's.
      let bytes = buffer.withBytes { [UInt8]($0) }
      guard let verified = try? VerifiedChunk(chunk, plain: bytes) else { return }
      let outcome = try tree.store(verified, number, index)
      tree.status.change {
        $0.verifiedChunks += 1
        if case .uncached = outcome { $0.uncachedChunks += 1 }
      }
    }
  }

  /// Every chunk that the TOC promises was in the tar, or the cache has no room.
  private func check(_ tree: LayerTree, _ index: LayerIndex) throws(StreamError) {
    guard tree.status.current.uncachedChunks == 0 else { return }
    for number in 0..<index.chunkCount {
      guard let chunk = index.chunk(number), !chunk.isHole else { continue }
      if !tree.isPresent(number, index) {
        throw StreamError(.mismatch, "chunk \(number) of the TOC is not in the tar")
      }
    }
  }
}

/// One at a time, in the order of asking.
private actor Turn {
  private var isTaken = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  func take() async {
    if isTaken { await withCheckedContinuation { waiting.append($0) } }
    isTaken = true
  }

  func give() {
    if waiting.isEmpty { isTaken = false } else { waiting.removeFirst().resume() }
  }
}
