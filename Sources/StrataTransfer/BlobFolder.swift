import StrataConfig
import StrataImage
import StrataModel
import StrataSystem

/// The folder of blobs under way: `blobs` in the state directory of strata-lazy.
///
/// One file a blob, `<sha256>.part`, grows from its start; whoever writes to it holds its lock. It is
/// taken away when the layer is in the store, and stays where a pull was cut. What is a week old goes.
/// Nothing in it is trusted: a blob is verified as a whole when it is read.
final class BlobFolder: Sendable {
  private let directory: SharedDescriptor?
  private let path: RawPath
  private let temporary: RawPath

  /// Opens the folder, made where it is missing; without one, parts have no names and are lost with the
  /// process.
  ///
  /// `state` is the state directory of strata-lazy; nil for the usual one.
  init(state: RawPath?, _ surroundings: Surroundings) {
    temporary = RawPath(surroundings["TMPDIR"] ?? "/var/tmp")
    path = (state ?? lazyStateDirectory(surroundings)).appending("blobs")
    let cwd = FileDescriptor.workingDirectory
    do throws(Errno) {
      try cwd.makeDirectories(path, mode: 0o700)
      let opened = SharedDescriptor(try cwd.open(path, [.readOnly, .directory, .noFollow]))
      // A folder of somebody else's would let him look on, and change what is read again.
      let status = try opened.view.status()
      directory = status.uid == effectiveUserID && status.permissions & 0o022 == 0 ? opened : nil
    } catch {
      directory = nil
    }
    removeOld()
  }

  /// The file for a blob of this size, with what an earlier pull has left in it.
  func part(_ digest: Digest, size: Int64) throws(StoreError) -> PartialBlob {
    if let directory, let part = try named(RawPath("\(digest.hex).part"), directory, size) {
      return part
    }
    let spool = try Spool(in: temporary)
    return PartialBlob(spool.contents, name: nil, in: nil, start: 0)
  }

  /// Nil where another process is at the same blob.
  private func named(_ name: RawPath, _ directory: SharedDescriptor, _ size: Int64)
    throws(StoreError) -> PartialBlob?
  {
    do throws(Errno) {
      for _ in 0..<3 {
        let file = SharedDescriptor(
          try directory.view.open(name, [.readWrite, .create, .noFollow], mode: 0o600))
        guard try file.view.flock(exclusive: true, wait: false) else { return nil }
        let status = try file.view.status()
        // Whoever had the lock may have taken the file away.
        if status.linkCount == 0 { continue }
        var start = status.size
        if start > size {
          try file.view.truncate(to: 0)
          start = 0
        }
        return PartialBlob(file, name: name, in: directory, start: start)
      }
      return nil
    } catch {
      throw StoreError(.system(error.rawValue), "open \(path)/\(name): \(error)")
    }
  }

  private func removeOld() {
    guard let directory, let entries = try? directory.view.entries() else { return }
    let limit = FileTime.now.seconds - 7 * 86_400
    for entry in entries {
      let name = RawPath(entry.name.description)
      guard name.description.hasSuffix(".part"),
        let file = try? directory.view.open(name, [.readWrite, .noFollow]),
        let status = try? file.view.status(), status.modificationTime.seconds < limit,
        (try? file.view.flock(exclusive: true, wait: false)) == true
      else { continue }
      try? directory.view.unlink(name)
    }
  }
}

/// The file that a blob is read into.
final class PartialBlob: Sendable {
  let file: SharedDescriptor
  /// How many bytes were there already.
  let start: Int64
  private let name: RawPath?
  private let directory: SharedDescriptor?

  fileprivate init(
    _ file: SharedDescriptor, name: RawPath?, in directory: SharedDescriptor?, start: Int64
  ) {
    self.file = file
    self.name = name
    self.directory = directory
    self.start = start
  }

  /// Takes the file's name away; the bytes can be read as long as this object lives.
  func remove() {
    if let name, let directory { try? directory.view.unlink(name) }
  }
}
