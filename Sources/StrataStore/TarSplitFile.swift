import StrataModel
import StrataPersistence
import StrataSystem

/// A layer's tar-split file, which is written aside and gets its name when the layer does.
///
/// It is not synced: the whole file system is, before the layer counts as complete.
struct TarSplitFile: Sendable {
  private let place: TemporaryDirectory
  private let path: RawPath

  /// A file in a directory of `LayerStore.makeTemporaryDirectory`, with which it goes.
  init(in place: TemporaryDirectory) {
    self.place = place
    path = place.freshName("tar-split.gz")
  }

  /// Opens it for the compressed bytes.
  func open() throws(StoreError) -> FileSink {
    let name = place.homePath.appending(path)
    do throws(Errno) {
      let file = try place.home.view.open(
        path, [.writeOnly, .create, .truncate, .noFollow], mode: 0o600)
      return FileSink(file, name: name)
    } catch {
      throw StoreError(error, "open \(name)")
    }
  }

  /// Makes it that of a layer, in place of an older one.
  func move(toLayer id: String) throws(StoreError) {
    do throws(Errno) {
      try place.home.view.rename(
        path, to: place.home.view, RawPath(id + LayerStore.tarSplitSuffix))
    } catch {
      throw StoreError(error, "rename \(place.homePath.appending(path))")
    }
  }
}

/// Whether this process lives in a user namespace, where devices cannot be made.
func isInUserNamespace() -> Bool {
  guard
    let text = try? FileDescriptor.workingDirectory.contents(of: "/proc/self/uid_map", limit: 4096)
  else { return false }
  let fields = text.split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
  // The initial namespace maps all ids to themselves in one line.
  return fields.map { String(decoding: $0, as: UTF8.self) } != ["0", "0", "4294967295"]
}
