package import StrataModel
package import StrataSystem

/// A file without a name for bytes that must be read twice or by offset.
///
/// The kernel frees it when the last descriptor goes, so nothing is left behind however the program
/// ends.
package final class Spool: RewritableSink, Sendable {
  private let file: SharedDescriptor
  private let directory: RawPath

  /// An empty file in the file system of `directory`.
  package init(in directory: RawPath) throws(StoreError) {
    self.directory = directory
    file = SharedDescriptor(try Self.open(in: directory))
  }

  private static func open(in directory: RawPath) throws(StoreError) -> FileDescriptorOwner {
    let cwd = FileDescriptor.workingDirectory
    return try calling("make a temporary file in \(directory)") { () throws(Errno) in
      do throws(Errno) {
        return try cwd.open(directory, [.readWrite, .temporaryFile], mode: 0o600)
      } catch {
        // File systems without O_TMPFILE say one of these; a name serves for an instant.
        guard error == .notSupported || error == .isADirectory || error == .invalidArgument else {
          throw error
        }
        let name = directory.appending(RawPath(".strata-spool-\(hexText(randomBytes(8)))"))
        let file = try cwd.open(name, [.readWrite, .create, .exclusive], mode: 0o600)
        try cwd.unlink(name)
        return file
      }
    }
  }

  package func write(_ bytes: RawSpan) throws(StreamError) {
    try Interruption.checkStream()
    do throws(Errno) {
      try file.view.writeAll(bytes)
    } catch {
      throw StreamError(error, "write a temporary file in \(directory)")
    }
  }

  package func restart() throws(StreamError) {
    try file.view.restart("write a temporary file in \(directory)")
  }

  /// How much was written.
  package func size() throws(StoreError) -> Int64 {
    try calling("stat a temporary file in \(directory)") { () throws(Errno) in
      try file.view.status().size
    }
  }

  /// What was written, as a file of an archive or of its own.
  package var contents: SharedDescriptor { file }

  /// Everything from the start; several may be read at once.
  func source() throws(StoreError) -> RangeSource {
    RangeSource(file, 0..<(try size()), name: "temporary file in \(directory)")
  }
}

/// A part of an open file, read by offset, so that parts of one file can be read at once.
package final class RangeSource: ByteSource {
  private let file: SharedDescriptor
  private let end: Int64
  private let name: String
  private var position: Int64

  /// The bytes of `range`; `name` is for messages.
  package init(_ file: SharedDescriptor, _ range: Range<Int64>, name: String) {
    self.file = file
    self.name = name
    position = range.lowerBound
    end = range.upperBound
  }

  package func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    if position >= end { return 0 }
    let wanted = Int(min(Int64(span.byteCount), end - position))
    var part = span._mutatingExtracting(first: wanted)
    let count: Int
    do throws(Errno) {
      count = try file.view.read(into: &part, at: position)
    } catch {
      throw StreamError(error, "read \(name)")
    }
    if count == 0 { throw StreamError(.unexpectedEnd, "read \(name): unexpected EOF") }
    position += Int64(count)
    return count
  }
}
