import StrataSystem

/// Reads the bytes of one request in order: the only reader of the wire.
///
/// Whatever the kernel (or a fuzzer in its place) sends, nothing outside the request is touched: a
/// request that is too short or holds an impossible name throws EIO, which becomes its answer.
@safe struct WireReader {
  private let memory: UnsafeRawBufferPointer
  private var position = 0

  /// The memory must stay as it is while this reader, or a span it gave out, is in use.
  init(_ memory: UnsafeRawBufferPointer) {
    unsafe self.memory = memory
  }

  mutating func number<Number: FixedWidthInteger>(
    _ type: Number.Type = Number.self
  ) throws(Errno) -> Number {
    let end = position + MemoryLayout<Number>.size
    guard unsafe end <= memory.count else { throw .inputOutputError }
    defer { position = end }
    return unsafe memory.loadUnaligned(fromByteOffset: position, as: Number.self)
  }

  mutating func skip(_ count: Int) throws(Errno) {
    guard unsafe count <= memory.count - position else { throw .inputOutputError }
    position += count
  }

  /// Bytes up to a NUL, which is taken too: a symbolic link's target.
  mutating func text() throws(Errno) -> RawPath {
    let rest = unsafe UnsafeRawBufferPointer(rebasing: memory[position...])
    guard let length = unsafe rest.firstIndex(of: 0) else { throw .inputOutputError }
    defer { position += length + 1 }
    return unsafe RawPath(memory: UnsafeRawBufferPointer(rebasing: rest[..<length]))
  }

  /// One component of a path.
  ///
  /// The kernel sends no other; checked all the same, since names go to system calls relative to a
  /// descriptor and must not lead away from it.
  mutating func name() throws(Errno) -> RawPath {
    let name = try text()
    guard !name.isEmpty, name != ".", name != "..", !name.bytes.contains(UInt8(ascii: "/")) else {
      throw .inputOutputError
    }
    return name
  }

  /// The next `count` bytes where they lie.
  mutating func bytes(_ count: Int) throws(Errno) -> UnsafeRawBufferPointer {
    guard unsafe count <= memory.count - position else { throw .inputOutputError }
    defer { position += count }
    return unsafe UnsafeRawBufferPointer(rebasing: memory[position..<(position + count)])
  }

  /// The next `count` bytes, copied.
  mutating func array(_ count: Int) throws(Errno) -> [UInt8] {
    unsafe Array(try bytes(count))
  }
}
