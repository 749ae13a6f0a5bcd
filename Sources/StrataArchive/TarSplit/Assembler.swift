import StrataCompression
package import StrataSystem

/// Writes the tar that a tar-split file describes, byte for byte.
///
/// `tarSplit` is the `.tar-split.gz` as stored; `files` are the diff directories that bodies are
/// taken from, the layer's own first, then its lowers'. A body whose checksum is not the recorded
/// one ends it with `file integrity checksum failed for "<name>"`, kind `mismatch`.
package func assembleLayer(
  tarSplit: any ByteSource, files: [FileDescriptor], to sink: any ByteSink
) throws(StreamError) {
  let assembler = Assembler(files: files, sink: sink)
  let reader = try TarSplitReader(tarSplit)
  while let entry = try reader.next() {
    switch entry.type {
    case 1: try assembler.file(entry)
    case 2: try assembler.segment(entry.payload)
    default: throw StreamError(.malformed, "tar-split: entry of type \(entry.type)")
    }
  }
  try assembler.finish()
}

private final class Assembler {
  private let files: [FileDescriptor]
  private let sink: any ByteSink
  private let output = ByteBuffer(capacity: 1 << 20)
  /// O_NOATIME needs the owner's rights; dropped when the kernel says so.
  private var openFlags: OpenFlags = [.readOnly, .nonBlocking, .noFollow, .noAccessTime]

  init(files: [FileDescriptor], sink: any ByteSink) {
    self.files = files
    self.sink = sink
  }

  func segment(_ bytes: [UInt8]) throws(StreamError) {
    if bytes.count > output.capacity - output.count { try flush() }
    if bytes.count > output.capacity {
      try sink.write(bytes)
    } else {
      output.append(bytes.rawSpan)
    }
  }

  /// Copies a body and compares its checksum; a small one before a byte of it goes out.
  func file(_ entry: TarSplitEntry) throws(StreamError) {
    if entry.size == 0 { return }
    guard entry.payload.count == 8 else {
      throw StreamError(.malformed, "tar-split: no checksum of \(display(entry.name))")
    }
    let recorded = entry.payload.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let file = try open(entry.name)
    let status: FileStatus
    do throws(Errno) {
      status = try file.view.status()
    } catch { throw StreamError(error, "stat \(display(entry.name))") }
    guard status.type == .regular, status.size == entry.size else { throw mismatch(entry.name) }
    var checksum = CRC64()
    var left = entry.size
    while left > 0 {
      if output.count == output.capacity || (left < entry.size && output.count > 0)
        || (entry.size <= Int64(output.capacity) && left > Int64(output.capacity - output.count))
      {
        try flush()
      }
      let start = output.count
      do throws(Errno) {
        let limit = Int(min(left, Int64(output.capacity - start)))
        try output.append(limit: limit) { (span: inout MutableRawSpan) throws(Errno) -> Int in
          try file.view.read(into: &span)
        }
      } catch { throw StreamError(error, "read \(display(entry.name))") }
      if output.count == start { throw mismatch(entry.name) }
      let end = output.count
      output.withBytes { checksum.update($0.extracting(start..<end)) }
      left -= Int64(end - start)
    }
    if checksum.value != recorded { throw mismatch(entry.name) }
  }

  func finish() throws(StreamError) { try flush() }

  private func flush() throws(StreamError) {
    if output.count > 0 {
      try output.withBytes { (bytes) throws(StreamError) in try sink.write(bytes) }
    }
    output.clear()
  }

  /// The file in the first directory that has it.
  ///
  /// Names are cleaned as if the directory were the root, and links inside it lead nowhere else.
  private func open(_ name: [UInt8]) throws(StreamError) -> FileDescriptorOwner {
    let path = CleanName(name).path
    var failure = Errno.noSuchFileOrDirectory
    for directory in files {
      do throws(Errno) {
        return try directory.open(path, openFlags, resolve: [.inRoot, .noMagicLinks])
      } catch {
        if error == .operationNotPermitted, openFlags.contains(.noAccessTime) {
          openFlags.remove(.noAccessTime)
          if let file = try? directory.open(path, openFlags, resolve: [.inRoot, .noMagicLinks]) {
            return file
          }
        }
        if failure == .noSuchFileOrDirectory { failure = error }
      }
    }
    throw StreamError(failure, "open \(display(name))")
  }

  private func mismatch(_ name: [UInt8]) -> StreamError {
    StreamError(.mismatch, "file integrity checksum failed for \"\(display(name))\"")
  }

  private func display(_ name: [UInt8]) -> String { String(decoding: name, as: UTF8.self) }
}
