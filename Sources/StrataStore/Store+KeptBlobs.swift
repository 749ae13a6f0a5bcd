package import StrataCompression
import StrataDigest
import StrataDrivers
package import StrataModel
import StrataPersistence
package import StrataSystem

extension Store {
  /// The signs of the blob that a layer came as; nil where none were kept.
  package func blobSigns(of layer: String) throws(StoreError) -> BlobSigns? {
    guard let (record, store) = try findLayer(layer),
      record.bigDataNames.contains(BlobPart.signsKey)
    else { return nil }
    do throws(StoreError) {
      return BlobSigns(try store.data(record.id).read(BlobPart.signsKey))
    } catch {
      guard error.code == .fileMissing else { throw error }
      return nil
    }
  }

  /// The blob that a layer came as, from its start; nil where it was not kept, or, which is warned of,
  /// is not what it was.
  ///
  /// It is read whole to find that out, so that a caller may send it as it comes.
  package func keptBlob(of layer: String) throws(StoreError) -> FileSource? {
    guard let (record, store) = try findLayer(layer), let digest = record.compressedDigest,
      digest.algorithm == .sha256, record.bigDataNames.contains(BlobPart.blobKey)
    else { return nil }
    let path = store.data(record.id).file(BlobPart.blobKey)
    let advice = "layer \(record.id.prefix(12)): the blob that was kept of it"
    let file: SharedDescriptor
    do throws(Errno) {
      file = SharedDescriptor(
        try FileDescriptor.workingDirectory.open(path, [.readOnly, .noFollow, .nonBlocking]))
    } catch {
      warn("\(advice) cannot be read: open \(path): \(error)")
      return nil
    }
    // The copy reads from the same offset.
    let source = try naming("dup", path) { () throws(Errno) in
      FileSource(try file.view.duplicate(), name: path)
    }
    let sum = DigestingSink(nil)
    _ = try streaming { () throws(StreamError) in try source.copy(to: sum) }
    guard sum.finish().0 == digest else {
      warn("\(advice) is damaged, and passed over: \(path)")
      return nil
    }
    try naming("seek", path) { () throws(Errno) in _ = try file.view.seek(0) }
    return source
  }
}
