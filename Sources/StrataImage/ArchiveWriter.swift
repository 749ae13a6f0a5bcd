import StrataArchive
import StrataModel
import StrataSystem

/// Writes a tar beside its destination and gives it its name when it is complete; `-` is standard
/// output.
final class ArchiveWriter {
  /// The destination, for messages.
  let path: RawPath
  /// The folder of the destination, where there is room for temporary files too.
  let folder: RawPath
  private let directory: FileDescriptorOwner
  private let file: NewFile?
  private let writer: TarWriter

  /// Opens the folder of a file that is to be written.
  init(_ path: RawPath) throws(StoreError) {
    self.path = path
    if path == "-" {
      folder = "/var/tmp"
    } else {
      folder = path.parent.isEmpty ? "." : path.parent
    }
    let folder = folder
    directory = try calling("open \(folder)") { () throws(Errno) in
      try FileDescriptor.workingDirectory.open(folder, [.readOnly, .directory])
    }
    if path == "-" {
      let output = try calling("open standard output") { () throws(Errno) in
        try FileDescriptor.standardOutput.duplicate()
      }
      file = nil
      writer = TarWriter(FileSink(output, name: "standard output"))
      return
    }
    try NewFile.requirePlace(path.lastComponent, in: directory.view, path)
    let newFile = try NewFile(in: directory.view, folder)
    file = newFile
    writer = TarWriter(newFile)
  }

  /// Adds a file with its content at hand.
  func add(_ name: String, _ bytes: [UInt8], mode: Int64 = 0o644) throws(StoreError) {
    let header = TarHeader(name: name, size: Int64(bytes.count), mode: mode)
    try append(header, ArraySource(bytes))
  }

  /// Adds a file from a spool.
  func add(_ name: String, _ spool: Spool, mode: Int64 = 0o644) throws(StoreError) {
    let header = TarHeader(name: name, size: try spool.size(), mode: mode)
    try append(header, try spool.source())
  }

  /// Adds a folder.
  func addFolder(_ name: String) throws(StoreError) {
    try append(TarHeader(name: name + "/", type: .directory, mode: 0o755), ArraySource([]))
  }

  /// Adds a symbolic link.
  func addLink(_ name: String, to target: String, mode: Int64) throws(StoreError) {
    try append(
      TarHeader(name: name, type: .symlink, mode: mode, linkName: Array(target.utf8)),
      ArraySource([]))
  }

  private func append(_ header: TarHeader, _ body: any ByteSource) throws(StoreError) {
    try streaming("write \(path)") { () throws(StreamError) in
      try writer.append(header, body: body)
    }
  }

  /// Closes the archive and gives it its name.
  func finish() throws(StoreError) {
    try streaming("write \(path)") { () throws(StreamError) in try writer.finish() }
    try file?.publish(as: path.lastComponent)
  }
}

/// Collects the blobs of an OCI image in files without names until the archive can be written, since
/// a tar says a file's size before its content.
final class SpooledBlobs: BlobWriter {
  let folder: RawPath
  private(set) var blobs: [(digest: Digest, content: Spool)] = []

  /// Spools in the file system of `folder`.
  init(in folder: RawPath) { self.folder = folder }

  func put(_ write: (any RewritableSink) throws(StoreError) -> WrittenBlob)
    throws(StoreError) -> WrittenBlob
  {
    let spool = try Spool(in: folder)
    let blob = try write(spool)
    if !blobs.contains(where: { $0.digest == blob.digest }) {
      blobs.append((blob.digest, spool))
    }
    return blob
  }
}
