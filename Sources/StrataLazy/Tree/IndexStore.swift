import StrataArchive
import StrataModel
import StrataSystem

/// The index files of layers in the state directory: `layers/<hex of the TOC's digest>/index`.
///
/// One that is not there, or is damaged, is made from the TOC, which is fetched and verified.
final class IndexStore: Sendable {
  private let layers: SharedDescriptor
  private let source: any LayerSource
  private let threads: WorkThreads
  private let timeLimit: UInt64

  /// `layers` is the folder; `timeLimit` how long fetching a TOC may take, in nanoseconds.
  init(
    _ layers: SharedDescriptor, source: any LayerSource, threads: WorkThreads, timeLimit: UInt64
  ) {
    self.layers = layers
    self.source = source
    self.threads = threads
    self.timeLimit = timeLimit
  }

  /// The index of a layer.
  ///
  /// Errors: those of the source by their errno; `malformed` and its kin for a TOC that is refused.
  func index(
    _ tree: LayerTree, _ ask: @Sendable () async throws(Errno) -> LayerClaim
  ) async throws(StreamError) -> LayerIndex {
    let toc = tree.toc
    let onDisk = await threads.run { [self] in try? load(toc) }
    if let onDisk { return onDisk }
    let claim: LayerClaim
    do throws(Errno) { claim = try await ask() } catch {
      throw StreamError(error, "its manifest")
    }
    guard let chunked = claim.chunked, chunked.tocDigest == toc else {
      throw StreamError(.mismatch, "the manifest names another TOC now")
    }
    var distrusted: [String] = []
    while true {
      let (location, bytes, mirror) = try await fetchTOC(claim.blob, chunked, distrusted)
      let facts = LayerFacts(
        form: location.form, tocDigest: toc, blobDigest: claim.descriptor.digest,
        blobSize: claim.descriptor.size, toc: location.toc, diffID: claim.diffID,
        plainSize: chunked.uncompressedSize)
      let result = await threads.run { [self] () -> Result<LayerIndex, StreamError> in
        do throws(StreamError) { return .success(try build(facts, bytes)) } catch {
          return .failure(error)
        }
      }
      do throws(StreamError) { return try result.get() } catch {
        // Wrong bytes may be one mirror's fault; a TOC that is right and refused is nobody's.
        if error.kind == .system(.noSpace) || !distrusted.isEmpty { throw error }
        distrusted = [mirror]
      }
    }
  }

  private func load(_ toc: Digest) throws -> LayerIndex {
    let file = try layers.view.open(path(toc).appending("index"), .readOnly)
    return try LayerIndex(file.view, checking: .checksums)
  }

  private func build(_ facts: LayerFacts, _ bytes: [UInt8]) throws(StreamError) -> LayerIndex {
    do throws(StreamError) {
      return try buildOnDisk(facts, bytes)
    } catch  where error.isFullDisk {
      // For this worker alone, and for as long as the layer is asked for.
      let file: FileDescriptorOwner
      do throws(Errno) { file = try anonymousFile("index") } catch {
        throw StreamError(error, "make an index in memory")
      }
      let reader = try TOCReader(ArraySource(bytes), form: facts.form, digest: facts.tocDigest)
      try LayerIndexBuilder.build(from: reader, facts, to: file.view)
      return try LayerIndex(file.view, checking: .header)
    }
  }

  private func buildOnDisk(_ facts: LayerFacts, _ bytes: [UInt8]) throws(StreamError) -> LayerIndex
  {
    let folder = path(facts.tocDigest)
    do throws(Errno) {
      try layers.view.makeDirectories(folder, mode: 0o700)
    } catch { throw StreamError(error, "make layers/\(folder)") }
    let directory: SharedDescriptor
    let file: SharedDescriptor
    do throws(Errno) {
      directory = SharedDescriptor(try layers.view.open(folder, [.readOnly, .directory]))
      file = SharedDescriptor(
        try directory.view.open(
          "index.new", [.readWrite, .create, .truncate, .noFollow], mode: 0o600))
    } catch { throw StreamError(error, "make layers/\(folder)/index") }
    let reader = try TOCReader(ArraySource(bytes), form: facts.form, digest: facts.tocDigest)
    try LayerIndexBuilder.build(from: reader, facts, to: file.view)
    do throws(Errno) {
      try directory.view.rename("index.new", to: directory.view, "index")
    } catch { throw StreamError(error, "rename layers/\(folder)/index") }
    return try LayerIndex(file.view, checking: .header)
  }

  private func path(_ toc: Digest) -> RawPath { RawPath(toc.hex) }

  /// The folder of a layer, for what is kept beside its index.
  func folder(of toc: Digest) throws(Errno) -> SharedDescriptor {
    SharedDescriptor(try layers.view.open(path(toc), [.readOnly, .directory]))
  }

  // MARK: - Fetching

  /// Where the TOC lies, its compressed bytes, and who sent them.
  private func fetchTOC(
    _ blob: LayerBlob, _ chunked: ChunkedAnnotations, _ distrusted: [String]
  ) async throws(StreamError) -> (TOCLocation, [UInt8], String) {
    if let location = try chunked.location(blobSize: blob.size) {
      let (bytes, mirror) = try await fetch(
        blob, location.toc.offset..<location.toc.end, distrusted)
      return (location, bytes, mirror)
    }
    // The footer says where the TOC is, which often lies within these bytes already.
    let start = max(0, blob.size - 64 << 10)
    guard blob.size > 0 else { throw StreamError(.malformed, "an empty blob") }
    let (tail, mirror) = try await fetch(blob, start..<blob.size, distrusted)
    guard let location = try TOCLocation(tail: tail, blobSize: blob.size) else {
      throw StreamError(.malformed, "no footer, though the manifest names a TOC")
    }
    guard location.form == chunked.form else {
      throw StreamError(.malformed, "its footer and its annotations are of different forms")
    }
    var bytes: [UInt8] = []
    if location.toc.offset < start {
      (bytes, _) = try await fetch(
        blob, location.toc.offset..<min(start, location.toc.end), distrusted)
    }
    if location.toc.end > start {
      let first = Int(max(0, location.toc.offset - start))
      bytes += tail[first..<Int(location.toc.end - start)]
    }
    return (location, bytes, mirror)
  }

  private func fetch(
    _ blob: LayerBlob, _ range: Range<Int64>, _ distrusted: [String]
  ) async throws(StreamError) -> ([UInt8], String) {
    var request = RangeRequest(
      blob, range, urgency: .reader, deadline: monotonicNanoseconds() + timeLimit)
    request.distrusted = distrusted
    do throws(SourceError) {
      let answer = try await source.fetch(request)
      return (answer.bytes, answer.mirror)
    } catch {
      throw StreamError(.system(error.errno), error.message)
    }
  }
}
