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
  private let remembered: RememberedLayers
  private let log: StoreLog
  /// Layers under way or done, by tree and diff ID.
  private let begun = Mutex<Set<Claim>>([])
  /// One blob at a time: the network is the bottleneck, and readers go before.
  private let turn = Turn()

  private struct Claim: Hashable, Sendable {
    var slot: UInt32
    var diffID: Digest
  }

  /// How a reading ended.
  private enum Outcome: Sendable {
    /// All belongs together; the size of the tar.
    case verified(Int64)
    /// The bytes are not those of the blob: whoever sent them, once more from somebody else.
    case wrongBytes(String, mirror: String)
    /// The blob is right, and the TOC or the diff ID is another's.
    case contradiction(String)
    /// The source broke off, or this machine failed; later it may work.
    case broken(String)
  }

  /// `layers` is the folder of the layers' folders.
  init(
    _ source: any LayerSource, layers: RawPath, _ remembered: RememberedLayers, _ log: StoreLog
  ) {
    self.source = source
    self.layers = layers
    self.remembered = remembered
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

  /// Begins to complete a layer, once; what broke off goes on later, after longer and longer waits.
  func begin(_ tree: LayerTree, _ index: LayerIndex, _ claim: LayerClaim) {
    let key = Claim(slot: tree.slot, diffID: claim.diffID)
    guard begun.withLock({ $0.insert(key).inserted }) else { return }
    Task { [weak self, weak tree] in
      var wait: UInt64 = 5
      while let self, let tree {
        await tree.context.pace.calm()
        await turn.take()
        let isOver = await complete(tree, index, claim)
        await turn.give()
        if isOver { return }
        try? await Task.sleep(nanoseconds: wait * 1_000_000_000)
        wait = min(wait * 2, 300)
      }
    }
  }

  /// False where it is to be tried again later.
  private func complete(
    _ tree: LayerTree, _ index: LayerIndex, _ claim: LayerClaim
  ) async -> Bool {
    var outcome = await attempt(tree, index, claim, [])
    if case .wrongBytes(let why, let mirror) = outcome {
      log.write("\(tree.name): background: \(why)", .error)
      // Wrong bytes may be one mirror's, once.
      outcome = await attempt(tree, index, claim, [mirror])
    }
    switch outcome {
    case .verified(let size):
      tree.status.change {
        $0.isVerified = true
        $0.plainSize = size
      }
      log.write("\(tree.name): complete and verified, \(size) bytes", .info)
      return true
    case .broken(let why):
      tree.status.failed(with: why)
      log.write("\(tree.name): background: \(why)", .warning)
      return false
    case .wrongBytes(let why, _):
      tree.status.failed(with: why)
      // By its TOC's digest the layer is right, and each chunk is verified by that.
      guard claim.keyKind == .blob else {
        log.write("\(tree.name): not complete: \(why)", .error)
        return false
      }
      log.write("\(tree.name): condemned, delete the image: \(why)", .error)
    case .contradiction(let why):
      tree.status.failed(with: why)
      log.write("\(tree.name): condemned, delete the image: \(why)", .error)
    }
    tree.condemn()
    // An image that was put right may be asked for again by the next worker.
    remembered.forget(claim)
    return true
  }

  private func attempt(
    _ tree: LayerTree, _ index: LayerIndex, _ claim: LayerClaim, _ distrusted: [String]
  ) async -> Outcome {
    let queue = PieceQueue(limit: 8)
    let reading = Task {
      await tree.context.threads.run { [self] in
        let outcome = read(queue, tree, index, claim)
        queue.close()
        return outcome
      }
    }
    do throws(SourceError) {
      let mirror = try await source.stream(
        claim.blob, from: 0, urgency: .background, distrusted: distrusted
      ) { piece in
        await tree.context.pace.take(piece.count)
        tree.status.change { $0.fetchedBytes += Int64(piece.count) }
        return await queue.put(piece)
      }
      tree.status.change {
        $0.requests += 1
        $0.mirror = mirror
      }
      queue.finish()
      let outcome = await reading.value
      if case .wrongBytes(let why, _) = outcome {
        return .wrongBytes("\(why), from \(mirror)", mirror: mirror)
      }
      return outcome
    } catch {
      queue.finish(StreamError(.system(error.errno), error.message))
      _ = await reading.value
      return .broken(error.message)
    }
  }

  /// Runs on a thread.
  private func read(
    _ source: any ByteSource, _ tree: LayerTree, _ index: LayerIndex, _ claim: LayerClaim
  ) -> Outcome {
    let blob = DigestingSource(source, claim.descriptor.digest.algorithm)
    do throws(StreamError) {
      var plain: DigestingSource?
      let comparison = TarComparison(index)
      var failure: StreamError?
      do throws(StreamError) {
        let source = DigestingSource(try DecompressingSource(blob), claim.diffID.algorithm)
        plain = source
        let tar = TarReader(source)
        while let header = try tar.next() {
          try comparison.add(header, tar) { (number, chunk) throws(StreamError) in
            try keep(chunk, number, tree, index)
          }
        }
        try tar.drain()
      } catch {
        if case .system = error.kind { throw error }
        failure = error
      }
      // What is no tar, or no gzip, is most likely no blob either: that is what is to be told.
      let rest = ByteBuffer(capacity: 1 << 16)
      while try blob.fill(rest) {}
      guard blob.byteCount == claim.descriptor.size, blob.digest() == claim.descriptor.digest else {
        return .wrongBytes(
          "wrong bytes: \(blob.byteCount) bytes with the digest \(blob.digest())", mirror: "")
      }
      guard let plain, failure == nil else {
        return .contradiction("the blob is none of its form: \(failure?.message ?? "")")
      }
      guard plain.digest() == claim.diffID else {
        return .contradiction("the diff ID is \(plain.digest()), not \(claim.diffID)")
      }
      try comparison.finish()
      note(
        Binding(
          blob: claim.descriptor.digest, toc: tree.toc, diffID: claim.diffID,
          plainSize: plain.byteCount), tree)
      return .verified(plain.byteCount)
    } catch {
      if case .mismatch = error.kind { return .contradiction(error.message) }
      return .broken(error.message)
    }
  }

  /// A full disk costs that it is found out once more.
  private func note(_ binding: Binding, _ tree: LayerTree) {
    do throws(StoreError) { try Bindings.add(binding, to: folder(tree.toc)) } catch {
      log.write("\(tree.name): \(error)", .warning)
    }
  }

  /// Keeps a chunk that is right, where it is not there and nothing has to go for it.
  private func keep(
    _ chunk: VerifiedChunk, _ number: Int, _ tree: LayerTree, _ index: LayerIndex
  ) throws(StreamError) {
    tree.status.change { $0.verifiedChunks += 1 }
    guard tree.context.keeper.hasRoom, !tree.isPresent(number, index) else { return }
    _ = try tree.store(chunk, number, index)
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
