import StrataModel
import StrataPersistence
import StrataSystem

/// A layer's tar-split file while it is written; it goes if it is not finished.
///
/// Where an older one is replaced it has a temporary name until then. That of a new layer has its own
/// name at once, so that whoever removes a layer that a kill left incomplete removes it too.
/// It is not synced: the whole file system is, before the layer counts as complete.
final class TarSplitFile {
  /// Takes the compressed bytes.
  let sink: FileSink
  private let path: RawPath
  private let written: RawPath
  private var isFinished = false

  /// Begins a file that is at `path` when it is finished.
  init(_ path: RawPath, isReplacing: Bool) throws(StoreError) {
    self.path = path
    written = isReplacing ? Self.temporaryName(path) : path
    do throws(Errno) {
      let file = try FileDescriptor.workingDirectory.open(
        written, [.writeOnly, .create, .truncate, .noFollow], mode: 0o600)
      sink = FileSink(file, name: written)
    } catch {
      throw StoreError(error, "open \(written)")
    }
  }

  private static func temporaryName(_ path: RawPath) -> RawPath {
    let number = randomBytes(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    let name = RawPath(Array(".tmp-".utf8) + path.lastComponent.bytes + Array(String(number).utf8))
    return path.parent.appending(name)
  }

  /// Gives the file its name.
  func finish() throws(StoreError) {
    let here = FileDescriptor.workingDirectory
    do throws(Errno) {
      if written != path { try here.rename(written, to: here, path) }
      isFinished = true
    } catch {
      throw StoreError(error, "rename \(written) \(path)")
    }
  }

  deinit {
    if !isFinished { try? FileDescriptor.workingDirectory.unlink(written) }
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
