import StrataCompression
import StrataDigest
package import StrataModel
import StrataStore
import StrataSystem

extension StoredImage {
  /// Makes the very blob again that a layer came as, and verifies it by its digest; nil, and `sink` is as
  /// it was, where no encoder at hand makes it.
  ///
  /// Encoders in this process are tried on the start of the tar, a little more than a MiB, kept in memory. Those
  /// that do not write other first bytes, and programs, are tried on the whole, one after the other; each
  /// ends at the first sign that does not agree.
  package func writeSameBlob(
    _ number: Int, to sink: any RewritableSink, progress: (any TransferProgress)?
  ) throws(StoreError) -> WrittenBlob? {
    let layer = layers[number]
    guard let digest = layer.compressedDigest, layer.diffID == config.diffIDs[number],
      let signs = try store.blobSigns(of: layer.id)
    else { return nil }
    var start: TarStart?
    /// The answers of encoders that begin alike.
    var answers: [BlobMaker: Bool] = [:]
    for maker in BlobMaker.candidates(signs, layer.compression) {
      if let early = maker.early {
        let known = if let start { start } else { try startOfTar(layer) }
        start = known
        let answer = answers[early] ?? early.mayMake(signs, of: known)
        answers[early] = answer
        if !answer { continue }
      }
      let attempt = EncoderAttempt()
      do throws(StoreError) {
        let blob = try writeLayer(
          number,
          through: { attempt.begin(maker, to: $0) }, to: AgreeingSink(to: sink, signs), progress)
        if blob.digest == digest { return blob }
      } catch {
        guard attempt.hasFailed else { throw error }
      }
      try streaming("layer \(layer.id.prefix(12))") { () throws(StreamError) in
        try sink.restart()
      }
    }
    return nil
  }

  /// One line about the layers whose blobs are others than they came as; nil where there are none.
  package func changedBlobs(_ written: [WrittenBlob]) -> String? {
    let changed = zip(layers, written).count { layer, blob in
      layer.compression != .none && layer.compressedDigest != nil
        && layer.compressedDigest != blob.digest
    }
    if changed == 0 { return nil }
    return
      "\(changed) of \(layers.count) layers could not be compressed to the bytes that they came as: "
      + "their digests and the manifest's are new (import with --keep-blobs keeps blobs)"
  }

  private func startOfTar(_ layer: LayerRecord) throws(StoreError) -> TarStart {
    let start = TarStart(limit: 9 << 17)
    do throws(StoreError) {
      try store.diff(layer.id, from: layer.parent, compression: Compression.none, to: start)
      start.isWhole = true
    } catch {
      guard start.isFull else { throw error }
    }
    return start
  }
}

extension BlobMaker {
  /// False where it writes other first bytes of a tar that starts like that.
  fileprivate func mayMake(_ signs: BlobSigns, of start: TarStart) -> Bool {
    let made = AgreeingSink(to: NullSink(), signs)
    guard let encoder = sink(to: made) else { return true }
    let bytes = start.bytes
    do throws(StreamError) {
      for position in stride(from: 0, to: bytes.count, by: 1 << 17) {
        let end = min(position + 1 << 17, bytes.count)
        try encoder.write(bytes.rawSpan.extracting(position..<end))
        if made.signs.hasWholeHead { return true }
      }
      if start.isWhole { try encoder.finish() }
      return true
    } catch {
      return false
    }
  }
}

/// Notes whether it was the encoder, or what it writes to, that failed, rather than the layer.
private final class EncoderAttempt: FinishingSink {
  private var encoder: (any FinishingSink)?
  private(set) var hasFailed = false

  /// Starts an encoder; one that is not there fails at the first byte.
  func begin(_ maker: BlobMaker, to sink: any ByteSink) -> any FinishingSink {
    encoder = maker.sink(to: sink)
    if case .program(let program, let header, let level) = maker {
      encoder = CompressorProgramSink(program, header: header, level: level, to: sink)
    }
    return self
  }

  func write(_ bytes: RawSpan) throws(StreamError) {
    try noting { (encoder) throws(StreamError) in try encoder.write(bytes) }
  }

  func finish() throws(StreamError) {
    try noting { (encoder) throws(StreamError) in try encoder.finish() }
  }

  private func noting(_ body: (any FinishingSink) throws(StreamError) -> Void) throws(StreamError) {
    do throws(StreamError) {
      guard let encoder else { throw StreamError(.unsupported, "no such program") }
      try body(encoder)
    } catch {
      hasFailed = true
      throw error
    }
  }
}

/// Takes the first bytes, and stops whoever gives more.
private final class TarStart: ByteSink {
  private let limit: Int
  private(set) var bytes: [UInt8] = []
  /// Whether that is all there is.
  var isWhole = false

  init(limit: Int) { self.limit = limit }

  var isFull: Bool { bytes.count == limit }

  func write(_ span: RawSpan) throws(StreamError) {
    let count = min(span.byteCount, limit - bytes.count)
    bytes += [UInt8](span.extracting(first: count))
    if count < span.byteCount { throw StreamError(.limit, "enough") }
  }
}
