import StrataCompression
import StrataModel
import StrataPersistence
import StrataSystem

/// Passes a layer's blob through and writes of it, aside, what is to be kept.
///
/// One thread reads at a time. The files are not synced: the whole file system is, before the layer
/// counts as complete.
final class BlobKeeper: ByteSource {
  private let source: any ByteSource
  private let place: TemporaryDirectory
  private let part: BlobPart
  private var signs = BlobSigns()
  private var blob: (path: RawPath, file: FileSink)?

  /// Files go into a directory of `LayerStore.makeTemporaryDirectory`, with which they go.
  init(_ source: any ByteSource, _ part: BlobPart, in place: TemporaryDirectory) throws(StoreError)
  {
    self.source = source
    self.place = place
    self.part = part
    if part == .whole { blob = try Self.open("blob", in: place) }
  }

  func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    let count = try source.read(into: &span)
    let bytes = span.bytes.extracting(first: count)
    signs.update(bytes)
    try blob?.file.write(bytes)
    return count
  }

  /// What was kept of a blob of that compression: nothing of one that none of the writers makes.
  func finish(_ compression: Compression) throws(StoreError) -> [KeptItem] {
    guard compression == .gzip || compression == .zstd else { return [] }
    let (path, file) = try Self.open("signs", in: place)
    let bytes = signs.bytes
    try streaming { () throws(StreamError) in try file.write(bytes) }
    var items = [KeptItem(key: BlobPart.signsKey, place: place, path: path)]
    if let blob { items.append(KeptItem(key: BlobPart.blobKey, place: place, path: blob.path)) }
    return items
  }

  private static func open(_ suffix: String, in place: TemporaryDirectory) throws(StoreError) -> (
    path: RawPath, file: FileSink
  ) {
    let path = place.freshName(suffix)
    let name = place.homePath.appending(path)
    do throws(Errno) {
      let file = try place.home.view.open(
        path, [.writeOnly, .create, .exclusive, .noFollow], mode: 0o600)
      return (path, FileSink(file, name: name))
    } catch {
      throw StoreError(error, "open \(name)")
    }
  }
}

/// A data item of a layer that was written aside and gets its place when the layer does.
struct KeptItem: Sendable {
  let key: String
  let place: TemporaryDirectory
  let path: RawPath

  /// Makes it that of a layer.
  func move(toLayer id: String) throws(StoreError) {
    let folder = RawPath(id)
    do throws(Errno) {
      do throws(Errno) {
        try place.home.view.makeDirectory(folder, mode: 0o700)
      } catch  where error == .fileExists {}
      try place.home.view.rename(
        path, to: place.home.view, folder.appending(BigDataDirectory.fileName(key)))
    } catch {
      throw StoreError(error, "rename \(place.homePath.appending(path))")
    }
  }
}
