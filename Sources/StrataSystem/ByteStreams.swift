/// Why a stream of bytes ended early.
public struct StreamError: Error, Sendable, CustomStringConvertible {
  /// What went wrong, coarsely.
  public enum Kind: Sendable, Equatable {
    /// The kernel refused: a full disk, a read error.
    case system(Errno)
    /// The stream ends in the middle of something.
    case unexpectedEnd
    /// The bytes are not what their format demands.
    case malformed
    /// The bytes are well-formed but not what was promised: a digest or a size differs.
    case mismatch
    /// A bound that protects memory or disk was met.
    case limit
    /// Something that is understood and not supported.
    case unsupported
  }

  /// The kind.
  public var kind: Kind
  /// One line for people: what and where.
  public var message: String

  /// An error of this kind and text.
  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  /// A kernel error while doing `what` (a verb and a name).
  public init(_ errno: Errno, _ what: String) {
    self.init(.system(errno), "\(what): \(errno)")
  }

  /// The text.
  public var description: String { message }
}

/// Bytes that are pulled: the one input stream protocol of the project.
public protocol ByteSource: AnyObject {
  /// Fills the front of the span with up to its length of bytes; 0 is the end, for ever after.
  func read(into span: inout MutableRawSpan) throws(StreamError) -> Int
}

/// Bytes that are pushed: the one output stream protocol of the project.
public protocol ByteSink: AnyObject {
  /// Takes all the bytes before it returns.
  func write(_ bytes: RawSpan) throws(StreamError)
}

extension ByteSource {
  /// Fills the buffer from its start and sets its count; false at the end.
  package func fill(_ buffer: ByteBuffer) throws(StreamError) -> Bool {
    try buffer.fill { (span: inout MutableRawSpan) throws(StreamError) -> Int in
      try read(into: &span)
    }
    return buffer.count > 0
  }

  /// All bytes up to the end; more than `limit` is an error of kind `limit`.
  package func readToEnd(limit: Int) throws(StreamError) -> [UInt8] {
    let buffer = ByteBuffer(capacity: 64 * 1024)
    var result: [UInt8] = []
    while try fill(buffer) {
      if result.count + buffer.count > limit {
        throw StreamError(.limit, "more than \(limit) bytes")
      }
      buffer.withBytes { bytes in
        for index in 0..<bytes.byteCount {
          result.append(bytes.byte(at: index))
        }
      }
    }
    return result
  }

  /// Passes everything to a sink and returns how many bytes there were.
  package func copy(to sink: any ByteSink, bufferSize: Int = 1 << 20) throws(StreamError) -> Int64 {
    let buffer = ByteBuffer(capacity: bufferSize)
    var total: Int64 = 0
    while try fill(buffer) {
      total += Int64(buffer.count)
      try buffer.withBytes { bytes throws(StreamError) in try sink.write(bytes) }
    }
    return total
  }
}

extension ByteSink {
  /// Writes an array.
  package func write(_ bytes: [UInt8]) throws(StreamError) {
    try write(bytes.rawSpan)
  }
}

extension RawSpan {
  /// The byte at an index; traps outside, as an array does.
  @inline(__always)
  package func byte(at index: Int) -> UInt8 {
    unsafe unsafeLoad(fromByteOffset: index, as: UInt8.self)
  }
}

extension RawSpan {
  /// Where a byte first stands, or nil.
  package func firstIndex(of byte: UInt8) -> Int? {
    unsafe withUnsafeBytes { unsafe $0.firstIndex(of: byte) }
  }
}

/// A reusable block of memory with a count of the bytes that are filled.
///
/// Not thread-safe: one stage of a pipeline owns it at a time.
@safe
public final class ByteBuffer {
  private let memory: UnsafeMutableRawBufferPointer
  /// How many bytes from the start hold something.
  public private(set) var count = 0

  /// Memory for `capacity` bytes, not cleared, aligned for vector instructions.
  public init(capacity: Int) {
    unsafe memory = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 64)
  }

  deinit { unsafe memory.deallocate() }

  /// The size of the memory.
  public var capacity: Int { unsafe memory.count }

  /// Lets `body` fill the whole memory; its result becomes the count.
  package func fill<Failure: Error>(
    _ body: (inout MutableRawSpan) throws(Failure) -> Int
  ) throws(Failure) {
    var span = unsafe memory.mutableBytes
    count = 0
    count = min(try body(&span), capacity)
  }

  /// Lets `body` fill the memory behind `count`, at most `limit` bytes of it; its result is added.
  package func append<Failure: Error>(
    limit: Int = Int.max, _ body: (inout MutableRawSpan) throws(Failure) -> Int
  ) throws(Failure) {
    let end = count + min(limit, capacity - count)
    let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: memory[count..<end])
    var span = unsafe rest.mutableBytes
    count = min(count + (try body(&span)), end)
  }

  /// Appends the bytes, which must fit.
  package func append(_ bytes: RawSpan) {
    append { span in
      let length = min(span.byteCount, bytes.byteCount)
      unsafe bytes.withUnsafeBytes { source in
        unsafe span.withUnsafeMutableBytes {
          unsafe $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[..<length]))
        }
      }
      return length
    }
  }

  /// The filled bytes, for the time of the call.
  package func withBytes<Result: ~Copyable, Failure: Error>(
    _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try unsafe body(memory.bytes.extracting(first: count))
  }

  /// Moves the bytes from `offset` on to the start and drops those before.
  package func dropFirst(_ offset: Int) {
    let left = count - min(offset, count)
    if left > 0, let base = unsafe memory.baseAddress {
      unsafe base.copyMemory(from: base + offset, byteCount: left)
    }
    count = left
  }

  /// Copies bytes from `offset` on to the front of the span, at most `limit`, as many as there are
  /// and fit.
  package func copyBytes(
    from offset: Int, limit: Int = Int.max, into span: inout MutableRawSpan
  ) -> Int {
    let length = min(count - offset, span.byteCount, limit)
    if length <= 0 { return 0 }
    let piece = unsafe UnsafeRawBufferPointer(rebasing: memory[offset..<(offset + length)])
    unsafe span.withUnsafeMutableBytes { unsafe $0.copyMemory(from: piece) }
    return length
  }

  /// Forgets all bytes.
  package func clear() { count = 0 }
}

/// The bytes of an open file from its current position.
public final class FileSource: ByteSource {
  private let file: FileDescriptorOwner
  private let name: RawPath

  /// Reads from `file`, which it owns; `name` is for messages.
  package init(_ file: consuming FileDescriptorOwner, name: RawPath) {
    self.file = file
    self.name = name
  }

  /// Opens `path` for reading.
  package convenience init(opening path: RawPath) throws(StreamError) {
    do throws(Errno) {
      self.init(try FileDescriptor.workingDirectory.open(path, .readOnly), name: path)
    } catch {
      throw StreamError(error, "open \(path)")
    }
  }

  /// The next bytes; see `ByteSource`.
  public func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    do throws(Errno) {
      try Interruption.waitReadable(file.view)
      return try file.view.read(into: &span)
    } catch {
      throw StreamError(error, "read \(name)")
    }
  }
}

/// Writes to an open file at its current position.
public final class FileSink: ByteSink {
  private let file: FileDescriptorOwner
  private let name: RawPath

  /// Writes to `file`, which it owns; `name` is for messages.
  package init(_ file: consuming FileDescriptorOwner, name: RawPath) {
    self.file = file
    self.name = name
  }

  /// The file, to sync or stat it.
  package var view: FileDescriptor { file.view }

  /// Takes all the bytes; see `ByteSink`.
  public func write(_ bytes: RawSpan) throws(StreamError) {
    do throws(Errno) {
      try file.view.writeAll(bytes)
    } catch {
      throw StreamError(error, "write \(name)")
    }
  }
}

/// The bytes of an array.
public final class ArraySource: ByteSource {
  private let bytes: [UInt8]
  private var position = 0

  /// Reads `bytes` from the start.
  public init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// The next bytes; see `ByteSource`.
  public func read(into span: inout MutableRawSpan) throws(StreamError) -> Int {
    let count = min(span.byteCount, bytes.count - position)
    let from = position
    unsafe span.withUnsafeMutableBytes { target in
      unsafe bytes.withUnsafeBytes { source in
        unsafe target.copyMemory(
          from: UnsafeRawBufferPointer(rebasing: source[from..<(from + count)]))
      }
    }
    position += count
    return count
  }
}

/// Takes everything and keeps nothing: for what is read only to be digested, counted or passed.
package final class NullSink: ByteSink {
  package init() {}

  package func write(_ bytes: RawSpan) {}
}

/// Collects what is written.
public final class ArraySink: ByteSink {
  /// Everything written so far.
  public private(set) var bytes: [UInt8] = []

  /// An empty sink.
  public init() {}

  /// Takes all the bytes; see `ByteSink`.
  public func write(_ new: RawSpan) throws(StreamError) {
    unsafe new.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
  }
}
