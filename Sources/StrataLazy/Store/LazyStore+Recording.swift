import StrataArchive
import StrataModel
import StrataPersistence
import StrataSystem

extension LazyStore {
  /// Begins to note what is read first, of all layers.
  func beginRecording() {
    trees.context.recorder.begin()
    log.write("recording begins", .info)
  }

  /// Ends it, and keeps the order of an image's layers for the next start of any image that has them.
  ///
  /// Errors: of the source, and of writing.
  func endRecording(of reference: String) async throws(Errno) {
    let records = trees.context.recorder.end()
    let image: ResolvedImage
    do throws(SourceError) { image = try await images.image(reference) } catch {
      log.write("\(reference): \(error)", .warning)
      throw error.errno
    }
    let tocs = Set(image.layers.compactMap { try? ChunkedAnnotations($0.annotations)?.tocDigest })
    var count = 0
    for tree in trees.all where tocs.contains(tree.toc) {
      guard let order = records[tree.slot], !order.isEmpty else { continue }
      let path = layers.appending(RawPath(tree.toc.hex)).appending("order")
      do throws(StoreError) {
        try AtomicFile.write(AccessOrder.encoded(order), to: path, synchronize: false)
      } catch {
        log.write("\(tree.name): \(error)", .error)
        throw .inputOutputError
      }
      count += order.count
    }
    log.write("\(reference): \(count) chunks recorded", .info)
  }
}
